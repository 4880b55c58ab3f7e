import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, test } from 'node:test';
import { sumModule } from '../../dist/testing/modules.js';
import { filesIn, root, runProgram, temporaryDirectory } from '../support/processes.js';

/** A name with the comment before it. */
interface Commented {
  name: string;
  comment: string | undefined;
}

/** A class, an interface, a type or a function in a declaration file. */
interface Declaration extends Commented {
  file: string;
  /** The kind and the name, because names alone differ only in case: the function `moduleCacheStats` returns a `ModuleCacheStats`. */
  title: string;
  /** The names of the types that it extends or implements. */
  parents: string[];
  members: Commented[];
}

interface Example {
  title: string;
  code: string;
}

// Editors show the declaration files. tsc keeps comments in them, drops bodies, and indents by four spaces.
const COMMENT = String.raw`(?<comment> *\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?`;
const DECLARATION = `^${COMMENT}export (?:declare |abstract )*(?<kind>\\w+) (?<name>\\w+)(?<head>.*)(?<body>(?:\n[ }].*)*)`;
const MODIFIERS = '(?:(?:static|abstract|protected|readonly|get|set) )*';
const MEMBER = `^${COMMENT} {4}(?!private |constructor\\(\\))${MODIFIERS}(?<name>\\w+)`;
const MODULE_COMMENT = /^\/\*\*(?:(?!\*\/)[\s\S])*@module .*\n \*\/\n/;
const EXPORT = /export (?:type )?\{(?<names>[^}]*)\}(?: from '(?<from>.*)\.js')?;\n?/g;

const declarations = filesIn(path.join(root, 'dist'))
  .filter((file) => file.endsWith('.d.ts'))
  .flatMap(declarationsIn);
const published = [...new Set(entries().flatMap(exportedBy))]; // several entries may export the same
const examples = published.flatMap(examplesOf);

test('every public symbol has a comment with an example, and every member of one has a comment', () => {
  const shown = new Set(examples.map(({ title }) => title));
  const missing = published.flatMap((declaration) => {
    const { title, comment, members } = declaration;
    return [
      ...(comment ? [] : [`${title}: a comment`]),
      ...(shown.has(title) ? [] : [`${title}: an example`]),
      ...members
        .filter(({ name }) => !isDocumented(declaration, name))
        .map(({ name }) => `${title}.${name}: a comment`),
    ];
  });
  assert.deepEqual(missing, []);
});

const folder = path.join(root, '.test-build', 'examples');
const fileOf = ({ title }: Example, extension: string) =>
  path.join(folder, `${title.replaceAll(' ', '-')}.${extension}`);

test('all examples are valid TypeScript', () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const example of examples) writeFileSync(fileOf(example, 'ts'), example.code);
  const compilerOptions = { rootDir: '.', outDir: '.' };
  const config = { extends: '../../test/tsconfig.json', compilerOptions, include: ['*.ts'], exclude: [] };
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout, stderr } = runProgram(tsc, { args: ['-p', folder] });
  assert.deepEqual([status, stdout, stderr], [0, '', '']);
});

describe('an example does what its comments say:', () => {
  for (const example of examples) {
    it(example.title, () => {
      const cwd = temporaryDirectory();
      writeFileSync(path.join(cwd, 'plugin.wasm'), sumModule({ padding: 64 * 1024 })); // not too small for the hook
      const { status, stdout, stderr } = runProgram(fileOf(example, 'js'), { cwd });
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, outputOf(example));
    });
  }
});

/** The declaration files of the paths that package.json exports. */
function entries(): string[] {
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  return Object.values<{ types?: string }>(exports)
    .flatMap(({ types = [] }) => types)
    .map((file) => path.join(root, file));
}

function exportedBy(entry: string): Declaration[] {
  const text = readFileSync(entry, 'utf8').replace(MODULE_COMMENT, '');
  const own = declarations.filter(({ file }) => file === entry);
  if (own.length > 0) return own;
  assert.equal(text.replace(EXPORT, ''), '', `${entry} has nothing but lists of exports`);
  return [...text.matchAll(EXPORT)].flatMap(({ groups = {} }) => {
    const { names = '', from = '' } = groups;
    const file = path.join(path.dirname(entry), `${from}.d.ts`);
    return (names.match(/\w+(?=,|\s*$)/g) ?? []).map((name) => declarationOf(name, file));
  });
}

function declarationOf(name: string, file: string): Declaration {
  const found = declarations.find((each) => each.name === name && each.file === file);
  assert.ok(found, `${name} is declared in ${file}`);
  return found;
}

function declarationsIn(file: string): Declaration[] {
  return [...readFileSync(file, 'utf8').matchAll(new RegExp(DECLARATION, 'gm'))].map(({ groups = {} }) => {
    const { comment, kind = '', name = '', head = '', body = '' } = groups;
    const members = ['class', 'interface'].includes(kind) ? [...body.matchAll(new RegExp(MEMBER, 'gm'))] : [];
    return {
      file,
      name,
      title: path.basename(path.dirname(file)) === 'browser' ? `${kind} ${name} in a browser` : `${kind} ${name}`,
      comment,
      parents: [...head.matchAll(/(?:extends|implements) (\w+)/g)].map(([, parent = '']) => parent),
      members: members.map(({ groups }) => ({ name: groups?.name ?? '', comment: groups?.comment })),
    };
  });
}

/** As in editors, a member without a comment inherits that of the member that it overrides, overloads or implements. */
function isDocumented({ members, parents }: Declaration, name: string): boolean {
  if (members.some((member) => member.name === name && member.comment)) return true;
  return declarations.some((parent) => parents.includes(parent.name) && isDocumented(parent, name));
}

/** The blocks of TypeScript after an `@example`, of a symbol and of its members. */
function examplesOf({ title, comment, members }: Declaration): Example[] {
  const own = members.map((member) => ({ title: `${title}.${member.name}`, comment: member.comment }));
  return [{ title, comment }, ...own].flatMap(({ title, comment = '' }) => {
    const [, ...texts] = comment.replace(/^ *\* ?/gm, '').split('@example');
    const blocks = [...texts.join('').matchAll(/```ts\n(.*?)```/gs)];
    return blocks.map(([, code = ''], index) => ({ title: index ? `${title} ${index + 1}` : title, code }));
  });
}

/** Each `console.log` must print the text of the comment behind it. Without a comment it may print anything. */
function outputOf({ code }: Example): RegExp {
  if (!code.includes('console.log')) return /^/;
  const printed = [...code.matchAll(/console\.log\(.*\);(?: \/\/ (?<text>.*))?$/gm)].map(({ groups }) => groups?.text);
  const literally = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const lines = printed.map((text) => (text === undefined ? '(?:.*\n)*' : `${literally(text)}\n`));
  return new RegExp(`^${lines.join('')}$`);
}
