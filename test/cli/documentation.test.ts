import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { sumModule } from '../../dist/testing/modules.js';
import { runCli } from '../support/cli.js';
import { root, temporaryDirectory } from '../support/processes.js';

const [, ...texts] = readFileSync(path.join(root, 'docs/cli.md'), 'utf8').split(/^(?=## )/m);
/** The text of each command's section, by its name. */
const sections = new Map(
  texts.flatMap((text) => {
    const name = /^## `([a-z]+)/.exec(text)?.[1];
    return name === undefined ? [] : [[name, text] as const];
  }),
);

/** Keys that only appear with problems that do not occur here. */
const NOT_TRIED: Record<string, string[]> = {
  info: ['deaths', 'goodTries'],
  prune: ['error'],
  push: ['name', 'reason', 'message'],
};

describe('docs/cli.md', () => {
  it('has a section with a screen for every command, and for no other', () => {
    const commands = [...runCli(['--help']).stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name);
    assert.deepEqual([...sections.keys()].sort(), commands.sort());
    for (const [name, text] of sections) {
      const screens = [...text.matchAll(/<!-- screen: [^\n]* -->\n```console\n(.*?)\n```\n/gs)].map(
        ([, screen]) => `${screen}`,
      );
      assert.match(screens.join('\n'), new RegExp(`^\\$ wasm-cache ${name}\\b`, 'm'));
      for (const screen of screens) assert.doesNotMatch(screen, /(^|\n)\$ .*$/, 'what it prints');
    }
  });

  it('names the keys of every document, and no others', () => {
    const wrong = Object.entries(documents()).flatMap(([command, document]) => {
      const keys = keysOf(document);
      const { own, all } = documentedOf(command);
      const unknown = own.filter((key) => !keys.has(key) && !NOT_TRIED[command]?.includes(key));
      const missing = [...keys].filter((key) => !all.includes(key));
      return unknown.length + missing.length > 0 ? [{ command, unknown, missing }] : [];
    });
    assert.deepEqual(wrong, []);
  });
});

/** The output of every command with `--json`, for a folder with contents. Several if one does not have all keys. */
function documents(): Record<string, unknown> {
  const [directory, folder] = [temporaryDirectory(), temporaryDirectory()];
  const [module, bundle, store] = ['plugin.wasm', 'bundle.tar', 'store'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(module, sumModule({ padding: 64 * 1024 }));
  mkdirSync(store, { mode: 0o700 });
  const env = {
    WASM_CACHE_SECRET: 'correct-horse-battery-staple',
    WASM_CACHE_REMOTE: pathToFileURL(store).href,
  };
  const program = path.join(root, 'test/programs/work.mjs');
  const work = ['--', process.execPath, program, 'hot'];
  const run = ([name = '', ...line]: string[], codes = [0]): string => {
    const { status, stdout, stderr } = runCli([name, '--dir', directory, ...line], { env });
    assert.ok(codes.includes(status ?? -1), `${name}: ${stderr}`);
    return stdout;
  };
  const json = ([name = '', ...line]: string[], codes?: number[]) => JSON.parse(run([name, '--json', ...line], codes));
  const ofRun = path.join(folder, 'run.json');
  return {
    warm: json(['warm', module]),
    train: json(['train', ...work]),
    run: run(['run', '--json-file', ofRun, ...work]) && JSON.parse(readFileSync(ofRun, 'utf8')),
    ls: json(['ls']),
    info: json(['info', module]),
    why: [json(['why', module]), json(['why', module, '--', '--stack-size=900'], [1])],
    bench: json(['bench', '--runs', '2', ...work], [0, 1]),
    report: [json(['report']), json(['report', path.join(folder, 'report.html')])],
    doctor: json(['doctor']),
    verify: json(['verify']),
    prune: json(['prune', '--max-size', '1KiB', '--dry-run']),
    clear: json(['clear', '--dry-run']),
    push: json(['push', '--program', program]),
    pull: json(['pull']),
    bake: json(['bake', bundle]),
  };
}

/** The names of all properties, at any depth. */
function keysOf(value: unknown): Set<string> {
  if (typeof value !== 'object' || value === null) return new Set();
  const own = Array.isArray(value) ? [] : Object.keys(value);
  return new Set([...own, ...Object.values(value).flatMap((each) => [...keysOf(each)])]);
}

/** The keys that a section names, and those of the sections that it refers to. */
function documentedOf(command: string): { own: string[]; all: string[] } {
  const [, ...texts] = sections.get(command)?.split(/^(?:\| )?`--json`/m) ?? [];
  const text = texts.join('').replace(/\s+/g, ' '); // A reference may go over the end of a line.
  const referred = [...text.matchAll(/\b(?:as|of|in) `([a-z]+)`/g)].map(([, name]) => name as string);
  const words = text.replace(/\b(?:as|of|in) `[a-z]+`/g, '').matchAll(/`([a-z]\w*)(?:\[\])?(?:\.(\w+))?`/g);
  const own = [...words].flatMap(([, name, inner]) => (inner ? [name, inner] : [name]) as string[]);
  const keys = own.filter((word) => word !== 'null');
  return { own: keys, all: [...keys, ...referred.flatMap((name) => documentedOf(name).all)] };
}
