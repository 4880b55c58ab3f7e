import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ModuleHash } from '../../dist/index.js';
import {
  decodeProgramRecord,
  encodeProgramRecord,
  MAX_RECORD_SIZE,
  ProgramRecord,
  programName,
} from '../../dist/stores/program-record.js';
import { temporaryDirectory } from '../support/processes.js';

const HOUR = 3_600_000;
const NAME = 'programs/app_main.js.json';
const keys = (count: number) => Array.from({ length: count }, () => ModuleHash.random().toString());

const recordOf = (modules: unknown) =>
  Buffer.from(JSON.stringify({ format: 'wasm-module-cache program record 1', modules }));

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

describe('a record', () => {
  it('decodes to what was encoded, each key once, and at most 32', () => {
    const [first, second] = keys(2) as [string, string];
    assert.deepEqual(decodeProgramRecord(encodeProgramRecord([first, second, first])), [first, second]);
    assert.deepEqual(decodeProgramRecord(encodeProgramRecord(['00'.repeat(8)])), ['00'.repeat(8)]);
    const many = keys(40);
    assert.deepEqual(decodeProgramRecord(encodeProgramRecord(many)), many.slice(0, 32));
    assert.equal(decodeProgramRecord(recordOf(many.map((key) => ({ key }))))?.length, 32);
  });

  it('may say more of a module', () => {
    const [key = ''] = keys(1);
    assert.deepEqual(decodeProgramRecord(recordOf([{ key, file: '/a.wasm' }])), [key]);
  });

  it('is not read if it is larger than any record can be', () => {
    const [key = ''] = keys(1);
    const padded = (length: number) => Buffer.concat([recordOf([{ key }]), Buffer.alloc(length, ' ')]);
    assert.deepEqual(decodeProgramRecord(padded(1000)), [key]);
    assert.equal(decodeProgramRecord(padded(MAX_RECORD_SIZE)), undefined);
    const directory = temporaryDirectory();
    mkdirSync(path.join(directory, 'programs'));
    writeFileSync(path.join(directory, NAME), padded(MAX_RECORD_SIZE));
    assert.equal(new ProgramRecord(NAME, directory, true).keys, undefined);
  });

  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"modules":[]}',
    '{"format":"wasm-module-cache program record 2","modules":[]}',
    ...[1, [1], [null], [{}], [{ key: '../../etc/passwd' }], [{ key: 'A'.repeat(64) }]].map(recordOf),
    recordOf([]).subarray(0, -1),
  ].map(String)) {
    it(`is not ${JSON.stringify(text)}`, () => assert.equal(decodeProgramRecord(Buffer.from(text)), undefined));
  }
});

describe('ProgramRecord', () => {
  /** The record of a process that starts now. */
  const recordIn = (directory: string) => new ProgramRecord(NAME, directory, false);
  const age = (directory: string, milliseconds: number) => {
    const seconds = (Date.now() - milliseconds) / 1000;
    utimesSync(path.join(directory, NAME), seconds, seconds);
  };
  const engine = `node-${process.version}_some`;
  const put = (directory: string, folder: string, key: string) => {
    mkdirSync(path.join(directory, folder), { recursive: true });
    writeFileSync(path.join(directory, folder, `${key}.artifact`), '');
  };

  it('notes the modules of a program, the latest first, and says whether they are new', () => {
    const directory = temporaryDirectory();
    const [first, second, third] = keys(3) as [string, string, string];
    assert.equal(recordIn(directory).keys, undefined);
    assert.equal(recordIn(directory).note([]), false);
    assert.equal(existsSync(path.join(directory, NAME)), false);
    assert.equal(recordIn(directory).note([first, second]), true);
    assert.deepEqual(recordIn(directory).keys, [first, second]);
    assert.equal(recordIn(directory).note([second]), false);
    assert.equal(recordIn(directory).note([third, second]), true);
    assert.deepEqual(recordIn(directory).keys, [third, second, first]);
  });

  it('sees the notes of other processes', () => {
    const directory = temporaryDirectory();
    const [first, second] = keys(2) as [string, string];
    const one = recordIn(directory);
    recordIn(directory).note([first]);
    assert.equal(one.note([first]), false);
    one.note([second]);
    assert.deepEqual(recordIn(directory).keys, [second, first]);
  });

  it('says that nothing is new for a program with more modules than a record can hold', () => {
    const directory = temporaryDirectory();
    const used = keys(40);
    assert.equal(recordIn(directory).note(used), true);
    assert.equal(recordIn(directory).note(used), false);
    assert.equal(recordIn(directory).note([...used].reverse()), false);
  });

  it('treats a damaged file as missing', () => {
    const directory = temporaryDirectory();
    recordIn(directory).note(keys(1));
    writeFileSync(path.join(directory, NAME), '{');
    assert.equal(recordIn(directory).keys, undefined);
    assert.equal(recordIn(directory).beginPrefetch(), true);
  });

  it('is requested at the first start, and then not for an hour if there is none', () => {
    const directory = temporaryDirectory();
    assert.equal(recordIn(directory).beginPrefetch(), true);
    assert.deepEqual(recordIn(directory).keys, []);
    assert.equal(recordIn(directory).beginPrefetch(), false);
    for (const time of [HOUR + 1000, -HOUR - 1000]) {
      age(directory, time);
      assert.equal(recordIn(directory).beginPrefetch(), true);
      assert.equal(recordIn(directory).beginPrefetch(), false);
    }
  });

  it('is not requested again while this Node has all of its modules, and otherwise once an hour', () => {
    const directory = temporaryDirectory();
    const [first, second] = keys(2) as [string, string];
    recordIn(directory).note([first, second]);
    put(directory, engine, first);
    put(directory, 'node-v1.2.3_some', second);
    assert.equal(recordIn(directory).beginPrefetch(), false);
    age(directory, 2 * HOUR);
    assert.equal(recordIn(directory).beginPrefetch(), true);
    assert.equal(recordIn(directory).beginPrefetch(), false);
    age(directory, 2 * HOUR);
    put(directory, `${engine}_with_other_flags`, second);
    assert.equal(recordIn(directory).beginPrefetch(), false);
    assert.deepEqual(recordIn(directory).keys, [first, second]);
  });

  it('is noted again after it was forgotten', () => {
    const directory = temporaryDirectory();
    const used = keys(1);
    recordIn(directory).note(used);
    recordIn(directory).forget();
    recordIn(directory).forget();
    assert.equal(recordIn(directory).keys, undefined);
    assert.equal(recordIn(directory).note(used), true);
  });

  it('in a folder that others may write to is neither read nor written, and only note() throws', () => {
    const directory = temporaryDirectory();
    recordIn(directory).note(keys(1));
    const before = readFileSync(path.join(directory, NAME), 'utf8');
    chmodSync(directory, 0o777);
    const record = recordIn(directory);
    assert.equal(record.keys, undefined);
    assert.equal(record.beginPrefetch(), true);
    record.forget();
    assert.throws(() => record.note(keys(1)), { kind: 'Untrusted' });
    assert.equal(readFileSync(path.join(directory, NAME), 'utf8'), before);
    // A record only names artifacts, which are signed themselves.
    assert.equal(new ProgramRecord(NAME, directory, true).keys?.length, 1);
  });
});
