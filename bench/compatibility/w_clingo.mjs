// Answers a logic program.
import clingo from 'clingo-wasm';
import { printResult } from './result.mjs';

const queens = `
  #const n = 7.
  { queen(I, 1..n) } = 1 :- I = 1..n.
  { queen(1..n, J) } = 1 :- J = 1..n.
  :- { queen(D - J, J) } >= 2, D = 2..2 * n.
  :- { queen(D + J, J) } >= 2, D = 1 - n..n - 1.`;
const { Result, Models } = await clingo.run(queens, 0);
printResult([Result, Models.Number]);
