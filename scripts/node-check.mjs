// npm run node:check -- <version or binary> [--json]: what a Node, and the V8 in it, breaks, and what is to be done about it. Ends with 0 when
// that is nothing. A version, such as 25 or 25.9.0, is fetched from npm.
import './built.mjs';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { runSteps, STEP_NAMES } from '../dist/probe/run-steps.js';
import { checkFlags } from './node-check/flags.mjs';
import { checkLayout } from './node-check/layout.mjs';
import { checkNatives } from './node-check/natives.mjs';
import { findNode } from './node-check/node.mjs';
import { checkSymbols } from './node-check/symbols.mjs';
import { checkTests } from './node-check/tests.mjs';

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (positionals.length !== 1) {
  console.error(`Name one version or binary of Node, not ${positionals.length}: npm run node:check -- 25`);
  process.exit(2);
}
let node;
try {
  node = findNode(positionals[0]);
} catch (error) {
  console.error(error.message);
  process.exit(2);
}

const natives = checkNatives(node);
const sections = {
  'symbols that native/ looks up': checkSymbols(
    node,
    natives.every(({ isThere }) => isThere),
  ),
  'intrinsics that src/engine/ calls': natives.map(({ isThere, ...row }) => row),
  'flags of V8 and node': checkFlags(node),
  'what is known of this V8': checkLayout(node),
  'steps of the probe': await checkSteps(node),
  'tests of the engine': checkTests(node),
};
const breaks = Object.values(sections)
  .flat()
  .filter(({ status }) => status === 'breaks').length;

if (values.json) console.log(JSON.stringify({ ...node, breaks, sections }, null, 2));
else print();
process.exit(breaks === 0 ? 0 : 1);

async function checkSteps({ binary }) {
  const steps = await runSteps({ node: binary });
  return STEP_NAMES.map((name) => {
    const step = steps.find((each) => each.name === name);
    return {
      what: name,
      status: step === undefined ? '-' : step.failure === undefined ? 'ok' : 'breaks',
      found: step ? (step.failure ?? `${Math.round(step.milliseconds)} ms`) : 'not run after the one that failed',
      todo: step?.failure
        ? `src/probe/steps.ts, step ${name}: what it does by hand, in a debug build of node if it crashes`
        : '',
    };
  });
}

function print() {
  const table = new Table({
    head: ['', 'what', 'found', 'to do'],
    colWidths: [8, 42, 44, 44],
    wordWrap: true,
    style: { head: [], border: [], compact: true },
  });
  for (const [title, rows] of Object.entries(sections)) {
    table.push([{ colSpan: 4, content: title.toUpperCase() }]);
    for (const { what, status, found, todo } of rows) table.push([status, what, found, todo]);
  }
  console.log(`Node ${node.version} with V8 ${node.v8}: ${node.binary}\n${table}`);
  console.log(breaks === 0 ? 'Nothing breaks.' : `${breaks} of these break something.`);
}
