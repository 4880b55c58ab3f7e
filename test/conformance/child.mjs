// Runs the checks and writes { name: observation } to the file named by CONFORMANCE_OUT.
// Does not know about the hook: the same program runs with and without it.
//   node child.mjs [topic] [--warm-up-only]      CONFORMANCE_SLOW=20 names the checks that take more than 20 ms
import { readdirSync, writeFileSync } from 'node:fs';
import { exercise, warmable } from './modules.mjs';
import { nextTurn, show, showError } from './observe.mjs';
import { restore } from './patch.mjs';

const output = process.env.CONFORMANCE_OUT;
const slow = Number(process.env.CONFORMANCE_SLOW ?? Infinity);
const [topic] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const warmUpOnly = process.argv.includes('--warm-up-only');
const timeLimit = 60_000; // for checks that never end; the others can be slow on a busy machine
/** Topics that patch built-ins come last, because V8 drops some fast paths for good when a built-in changes. */
const slowing = new Set(['promises', 'overwrite', 'patched-globals']);
const { Promise, setTimeout, clearTimeout, performance } = globalThis; // checks replace them

/** Rejections that nobody handled while the current check ran. */
let strays = [];
process.on('unhandledRejection', (reason) => strays.push(show(reason)));

const observations = {};
const warnings = [];
process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`));

/** Never uses `then` of a promise: the check may have replaced it. */
async function attempt(check, resolve) {
  let observation;
  try {
    observation = await check.run();
  } catch (error) {
    observation = { failed: error instanceof Error ? showError(error) : show(error) };
  }
  restore();
  resolve(observation);
}

async function runOne(check) {
  strays = [];
  let timer;
  const observation = await new Promise((resolve) => {
    timer = setTimeout(resolve, timeLimit, '<timeout>');
    attempt(check, resolve);
  });
  clearTimeout(timer);
  restore();
  await nextTurn(); // unhandled rejections are reported at the end of a turn
  return strays.length === 0 ? observation : { observation, unhandled: strays };
}

async function runAll() {
  const files = readdirSync(new URL('checks/', import.meta.url)).filter((file) => file.endsWith('.mjs'));
  const names = files.map((file) => file.slice(0, -'.mjs'.length)).sort();
  if (topic && !names.includes(topic)) throw new Error(`no topic "${topic}"; there are: ${names.join(', ')}`);
  for (const name of [...names.filter((name) => !slowing.has(name)), ...slowing]) {
    if (topic && topic !== name) continue;
    const { default: checks } = await import(`./checks/${name}.mjs`);
    for (const check of checks) {
      const full = `${name}: ${check.name}`;
      if (full in observations) throw new Error(`two checks are named "${full}"`);
      const start = performance.now();
      observations[full] = (await runOne(check)) ?? null;
      const took = performance.now() - start;
      if (took > slow) console.error(`${took.toFixed(1)} ms ${full}`);
    }
  }
}

/** Lets V8 optimise every valid module, so that the next run has native code to be served. */
async function warmUp() {
  const hot = warmable.map(
    ({ bytes, imports }) => new WebAssembly.Instance(new WebAssembly.Module(bytes()), imports()),
  );
  for (const instance of hot) {
    const { loop, div } = instance.exports;
    const end = performance.now() + (div ? 120 : 15);
    do {
      loop(500_000);
      if (div) exercise(instance.exports, 50_000);
    } while (performance.now() < end);
  }
  await new Promise((resolve) => setTimeout(resolve, 60));
  return hot;
}

if (!warmUpOnly) await runAll();
observations['whole run: warnings'] = warnings;
globalThis.keepAlive = await warmUp(); // a cache may look for live modules at exit
writeFileSync(output, JSON.stringify(observations));
