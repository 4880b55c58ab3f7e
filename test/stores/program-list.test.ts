import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ModuleHash } from '../../dist/index.js';
import { decodeList, encodeList, ProgramList, programName } from '../../dist/stores/program-list.js';
import { temporaryDirectory } from '../support/processes.js';

const HOUR = 3_600_000;
const NAME = 'programs/app_main.js.json';
const keys = (count: number) => Array.from({ length: count }, () => ModuleHash.random().toString());

describe('programName', () => {
  for (const [file, name] of [
    ['/srv/app/main.js', 'app_main.js'],
    ['/elsewhere/app/main.js', 'app_main.js'],
    ['C:\\srv\\app\\main.js', 'app_main.js'],
    ['/srv/node_modules/a/node_modules/@scope/tool/bin/cli.js', '_scope_tool_bin_cli.js'],
    ['/srv/node_modules/.bin/tool', 'bin_tool'],
    ['main.js', 'main.js'],
    ['/srv/my app/größe.js', 'my_app_gr__e.js'],
    ['/a/../..', '_..'],
    [`/srv/${'long'.repeat(100)}/main.js`, `${'long'.repeat(100)}_main.js`.slice(-100)],
  ] as const) {
    it(`of ${file.slice(0, 60)}`, () => assert.equal(programName(file), `programs/${name}.json`));
  }

  it('is none without a file', () => {
    assert.deepEqual([programName(undefined), programName('')], [undefined, undefined]);
  });
});

describe('a list', () => {
  it('is what was encoded, each key once, and not more than 32', () => {
    const [first, second] = keys(2) as [string, string];
    assert.deepEqual(decodeList(encodeList([first, second, first])), [first, second]);
    assert.deepEqual(decodeList(encodeList(['00'.repeat(8)])), ['00'.repeat(8)]);
    const many = keys(40);
    assert.deepEqual(decodeList(encodeList(many)), many.slice(0, 32));
    assert.equal(decodeList(Buffer.from(JSON.stringify({ modules: many })))?.length, 32);
  });

  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"modules":1}',
    '{"modules":[1]}',
    '{"modules":["../../etc/passwd"]}',
    `{"modules":["${'A'.repeat(64)}"]}`,
    '{"modules":[',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => assert.equal(decodeList(Buffer.from(text)), undefined));
  }
});

describe('ProgramList', () => {
  /** As a process has it that starts now. */
  const listIn = (directory: string) => new ProgramList(NAME, directory, false);
  const age = (directory: string, milliseconds: number) => {
    const seconds = (Date.now() - milliseconds) / 1000;
    utimesSync(path.join(directory, NAME), seconds, seconds);
  };
  const engine = `node-${process.version}_some`;
  const put = (directory: string, folder: string, key: string) => {
    mkdirSync(path.join(directory, folder), { recursive: true });
    writeFileSync(path.join(directory, folder, `${key}.artifact`), '');
  };

  it('notes what a program uses, the latest first, and says whether that is new', () => {
    const directory = temporaryDirectory();
    const [first, second, third] = keys(3) as [string, string, string];
    assert.equal(listIn(directory).keys, undefined);
    assert.equal(listIn(directory).note([]), false);
    assert.equal(existsSync(path.join(directory, NAME)), false);
    assert.equal(listIn(directory).note([first, second]), true);
    assert.deepEqual(listIn(directory).keys, [first, second]);
    assert.equal(listIn(directory).note([second]), false);
    assert.equal(listIn(directory).note([third, second]), true);
    assert.deepEqual(listIn(directory).keys, [third, second, first]);
  });

  it('sees what another process noted meanwhile', () => {
    const directory = temporaryDirectory();
    const [first, second] = keys(2) as [string, string];
    const one = listIn(directory);
    listIn(directory).note([first]);
    assert.equal(one.note([first]), false);
    one.note([second]);
    assert.deepEqual(listIn(directory).keys, [second, first]);
  });

  it('has no news of a program with more modules than a list has room for', () => {
    const directory = temporaryDirectory();
    const used = keys(40);
    assert.equal(listIn(directory).note(used), true);
    assert.equal(listIn(directory).note(used), false);
    assert.equal(listIn(directory).note([...used].reverse()), false);
  });

  it('takes for none what is damaged', () => {
    const directory = temporaryDirectory();
    listIn(directory).note(keys(1));
    writeFileSync(path.join(directory, NAME), '{');
    assert.equal(listIn(directory).keys, undefined);
    assert.equal(listIn(directory).beginPrefetch(), true);
  });

  it('is asked for at the first start, and then not for an hour when there is none', () => {
    const directory = temporaryDirectory();
    assert.equal(listIn(directory).beginPrefetch(), true);
    assert.deepEqual(listIn(directory).keys, []);
    assert.equal(listIn(directory).beginPrefetch(), false);
    for (const time of [HOUR + 1000, -HOUR - 1000]) {
      age(directory, time);
      assert.equal(listIn(directory).beginPrefetch(), true);
      assert.equal(listIn(directory).beginPrefetch(), false);
    }
  });

  it('is not asked for again while this Node has all of it, and else once an hour: the store may not have it either', () => {
    const directory = temporaryDirectory();
    const [first, second] = keys(2) as [string, string];
    listIn(directory).note([first, second]);
    put(directory, engine, first);
    put(directory, 'node-v1.2.3_some', second);
    assert.equal(listIn(directory).beginPrefetch(), false);
    age(directory, 2 * HOUR);
    assert.equal(listIn(directory).beginPrefetch(), true);
    assert.equal(listIn(directory).beginPrefetch(), false);
    age(directory, 2 * HOUR);
    put(directory, `${engine}_with_other_flags`, second);
    assert.equal(listIn(directory).beginPrefetch(), false);
    assert.deepEqual(listIn(directory).keys, [first, second]);
  });

  it('is noted anew when it was forgotten', () => {
    const directory = temporaryDirectory();
    const used = keys(1);
    listIn(directory).note(used);
    listIn(directory).forget();
    listIn(directory).forget();
    assert.equal(listIn(directory).keys, undefined);
    assert.equal(listIn(directory).note(used), true);
  });

  it('in a folder that others may write to is neither believed nor written, and nothing is thrown but by note', () => {
    const directory = temporaryDirectory();
    listIn(directory).note(keys(1));
    const before = readFileSync(path.join(directory, NAME), 'utf8');
    chmodSync(directory, 0o777);
    const list = listIn(directory);
    assert.equal(list.keys, undefined);
    assert.equal(list.beginPrefetch(), true);
    list.forget();
    assert.throws(() => list.note(keys(1)), { kind: 'Untrusted' });
    assert.equal(readFileSync(path.join(directory, NAME), 'utf8'), before);
    // Signed artifacts come from wherever they come; a list only says which.
    assert.equal(new ProgramList(NAME, directory, true).keys?.length, 1);
  });
});
