// Solves an integer problem.
import GLPK from 'glpk.js/node';
import { printResult } from './result.mjs';

const glpk = await GLPK();
const vars = Array.from({ length: 30 }, (_, i) => ({ name: `x${i}`, coef: 1 + ((i * 7) % 11) }));
const weights = vars.map(({ name }, i) => ({ name, coef: 1 + ((i * 5) % 13) }));
const problem = {
  name: 'p',
  objective: { direction: glpk.GLP_MAX, name: 'o', vars },
  subjectTo: [{ name: 'c', vars: weights, bnds: { type: glpk.GLP_UP, ub: 60, lb: 0 } }],
  binaries: vars.map(({ name }) => name),
};
const { result } = await glpk.solve(problem, { msglev: glpk.GLP_MSG_OFF });
printResult(result.z);
process.exit(0);
