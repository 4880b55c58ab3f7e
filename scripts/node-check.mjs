// npm run node:check -- <version or binary> [--json]: what a Node and its V8 break, and what to do about it: above all, what their entry in
// src/engine/v8-versions.ts must be. Ends with 0 when nothing breaks. Fetches a version, such as 25 or 25.9.0, from npm.
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
      found: step ? (step.failure ?? `${Math.round(step.milliseconds)} ms`) : 'not run: a step before it failed',
      todo: step?.failure
        ? `src/probe/steps.ts, step ${name}: do by hand what it does; if it crashes, in a debug build of node`
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
