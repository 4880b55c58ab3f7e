// Whether a node knows the flags that the sources name, and has the defaults that they set back.
import { readdirSync, readFileSync } from 'node:fs';
import { V8_VERSIONS } from '../../dist/engine/v8-versions.js';
import { COPIED_OPTIONS } from '../../dist/learning/start-learner.js';
import { rowFor, run, TABLE } from './node.mjs';

const root = new URL('../../', import.meta.url);

/** Flags in string literals: `'--a-flag=1'`. */
function namedIn(folder) {
  return readdirSync(new URL(folder, root)).flatMap((file) => {
    const text = readFileSync(new URL(folder + file, root), 'utf8');
    return [...text.matchAll(/['"]--(?:no-)?([a-z][a-z0-9-]+)[='"\\ ]/g)].map(([, name]) => [name, folder + file]);
  });
}

/** The defaults of V8's flags by their names, as V8 prints them: `--liftoff`, `--no-harmony`, `--wasm-tiering-budget=13000000`. */
function defaultsOf(binary) {
  const { stdout } = run(binary, ['--v8-options']);
  const found = [...stdout.matchAll(/^\s+--([a-z0-9_-]+) .*\n\s+type: \w+\s+default: (\S*)/gm)];
  return new Map(found.map(([, name, value]) => [name.replaceAll('_', '-'), value]));
}

export function checkFlags({ binary, v8Version }) {
  const defaults = defaultsOf(binary);
  const ofNode = run(binary, ['--help']).stdout;
  const rows = [];
  const { version, row: entry } = rowFor(V8_VERSIONS, v8Version);
  for (const [set, reset] of entry.aheadOfTime) {
    const name = /^--(?:no-)?([a-z0-9-]+)/.exec(reset)[1];
    const value = defaults.get(name);
    const todo = `${TABLE}, aheadOfTime: ${value ? 'set back to this default, or leave it out' : 'leave it out, or find its new name in --v8-options'}`;
    rows.push(row(`${set}, then ${reset} (as for V8 ${version})`, value, value === reset, todo));
  }
  const value = defaults.get('wasm-tiering-budget');
  const expected = `--wasm-tiering-budget=${entry.tieringBudget}`;
  rows.push(row(expected, value, value === expected, `${TABLE}, tieringBudget: take this default`));

  const named = [
    ...['native/', 'src/engine/', 'src/probe/', 'src/learning/'].flatMap(namedIn),
    ...COPIED_OPTIONS.map((name) => [name.replace(/^no-/, ''), 'src/learning/start-learner.ts']),
  ];
  for (const [name, file] of new Map(named)) {
    const isThere = defaults.has(name) || new RegExp(`--(no-)?${name}\\b`).test(ofNode);
    // The table's flags are above, as far as they are for this version.
    if (file === TABLE || name === 'wasm-tiering-budget') continue;
    rows.push(
      row(
        `--${name}`,
        isThere ? (defaults.get(name) ?? "node's own") : undefined,
        isThere,
        `${file}: it is gone: find what it became, or leave it out`,
      ),
    );
  }
  return rows;
}

function row(what, value, isGood, todo) {
  return {
    what,
    status: isGood ? 'ok' : 'breaks',
    found: value ? `default ${value}` : 'no such flag',
    todo: isGood ? '' : todo,
  };
}
