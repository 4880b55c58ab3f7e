// Runs one program in fresh processes, plain and with the hook, for bench.mjs and compatibility.mjs.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { learnersAreDone, run } from './processes.mjs';

/** The programs of a folder, by default its w_*.mjs files. */
export function programsIn(folder, pattern = /^w_(.*)\.mjs$/) {
  const cwd = path.resolve(folder);
  return readdirSync(cwd)
    .filter((file) => pattern.test(file))
    .sort()
    .map((file) => ({ name: pattern.exec(file)[1], file: path.join(cwd, file), cwd }));
}

/** The number of runs that {@link measure} makes of a program. */
export function runsOf({ runs, train, firsts, full }) {
  return 2 + train + 2 * firsts + 2 * runs + (full ? 1 + runs : 0);
}

/**
 * Runs a program plain; first, each time with an empty cache; warm, after a first and some training runs; and, if asked for, with
 * everything compiled ahead of time. Plain runs alternate with the others, so that a busy machine slows all of them. The caches
 * stay in the folders `warm` and `full` of `folder`.
 *
 * @param onRun - called before each run with its kind
 * @returns the results by kind, and the different outputs by kind
 * @throws {Error} when a run fails, with the kind of run as `doing`
 */
export async function measure({ file, cwd }, { node, runs, train, firsts, full, folder, onRun }) {
  const results = { plain: [], first: [], warm: [], full: [], plainBesideFirst: [] };
  const outputs = {};
  const step = async (kind, doing, directory, env) => {
    onRun(doing);
    const result = runOrSay(doing, node, file, { cwd, directory, env });
    // Programs may print times, so only the line with the result is compared.
    const output = /^RESULT .*$/m.exec(result.output)?.[0] ?? result.output;
    outputs[kind] = [...new Set([...(outputs[kind] ?? []), output])];
    if (directory) await learnersAreDone(directory);
    return result;
  };
  const [warm, ahead] = ['warm', 'full'].map((name) => path.join(folder, name));
  for (const each of [warm, ahead]) mkdirSync(each, { mode: 0o700 }); // also if nothing will be stored
  const plain = () => step('plain', 'plain');
  const fully = () => step('full', 'full', ahead, { WASM_CACHE_LEARN: 'full' });

  await step('plain', 'plain, not counted');
  for (let i = 0; i < firsts; i++) {
    const empty = mkdtempSync(path.join(folder, 'empty-'));
    results.plainBesideFirst.push(await plain());
    results.first.push(await step('first', 'first', empty));
    rmSync(empty, { recursive: true, force: true });
  }
  for (let i = 0; i <= train; i++) await step('warm', 'training', warm);
  if (full) await fully();
  for (let i = 0; i < runs; i++) {
    results.plain.push(await plain());
    results.warm.push(await step('warm', 'warm', warm));
    if (full) results.full.push(await fully());
  }
  return { results, outputs };
}

function runOrSay(doing, ...what) {
  try {
    return run(...what);
  } catch (error) {
    throw Object.assign(error, { doing });
  }
}
