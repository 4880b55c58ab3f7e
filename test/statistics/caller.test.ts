import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { nameOf, nameOfCaller } from '../../dist/statistics/caller.js';
import { runProgram } from '../support/processes.js';

describe('nameOf', () => {
  for (const [file, name] of [
    ['/srv/app/node_modules/esbuild-wasm/lib/main.js', 'esbuild-wasm'],
    ['file:///srv/app/node_modules/@swc/wasm/wasm.js', '@swc/wasm'],
    ['/a/node_modules/vite/node_modules/esbuild-wasm/lib/main.js', 'esbuild-wasm'],
    ['/a/node_modules/.pnpm/sql.js@1.10.0/node_modules/sql.js/dist/sql-wasm.js', 'sql.js'],
    ['/a/.yarn/cache/sql.js-npm-1.10.0.zip/node_modules/sql.js/dist/sql-wasm.js', 'sql.js'],
    ['C:\\app\\node_modules\\@scope\\name\\main.js', '@scope/name'],
    ['/srv/projects/app/dist/server.js', 'dist/server.js'],
    ['file:///D:/projects/app/src/main.mjs', 'src/main.mjs'],
    ['/home/alice/main.js', 'main.js'],
    ['/Users/alice/main.js', 'main.js'],
    ['C:\\Users\\alice\\main.js', 'main.js'],
    ['file:///C:/Users/alice/main.js', 'main.js'],
    ['/root/main.js', 'main.js'],
    ['/home/alice/project/main.js', 'project/main.js'],
    ['/srv/app/with space/naïve "quoted".js', 'with_space/na_ve__quoted_.js'],
    ['/', ''],
  ] as const) {
    it(`of ${file} is ${name}`, () => assert.equal(nameOf(file), name));
  }

  it('contains no name of a user whose home is somewhere else', () => {
    const { HOME } = process.env;
    process.env.HOME = '/export/users/home/alice/';
    try {
      assert.equal(nameOf('/export/users/home/alice/main.js'), 'main.js');
      assert.equal(nameOf('/export/users/home/alice/project/main.js'), 'project/main.js');
    } finally {
      if (HOME === undefined) delete process.env.HOME;
      else process.env.HOME = HOME;
    }
  });

  it('is never longer than a line allows', () => {
    assert.equal(nameOf(`/a/node_modules/${'x'.repeat(300)}/a.js`).length, 64);
  });
});

describe('nameOfCaller', () => {
  const own = 'statistics/caller.test.js';
  const { stackTraceLimit, prepareStackTrace } = Error;
  const descriptors = Object.getOwnPropertyDescriptors(Error);
  afterEach(() => {
    delete (Error as { prepareStackTrace?: unknown }).prepareStackTrace;
    Object.defineProperties(Error, descriptors);
    assert.equal(Error.stackTraceLimit, stackTraceLimit);
  });

  it('is the name of the calling file', () => assert.equal(nameOfCaller(), own));

  it('is found whatever a program sets for its stacks, and does not change that', () => {
    const fail = () => assert.fail('called');
    Error.prepareStackTrace = fail;
    Error.stackTraceLimit = 0;
    assert.equal(nameOfCaller(), own);
    assert.deepEqual([Error.prepareStackTrace, Error.stackTraceLimit], [fail, 0]);
    const accessor = { get: fail, set: fail, configurable: true, enumerable: false };
    Object.defineProperty(Error, 'prepareStackTrace', accessor);
    assert.equal(nameOfCaller(), own);
    assert.deepEqual(Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace'), accessor);
    Error.stackTraceLimit = stackTraceLimit;
  });

  it('leaves no new property behind', () => {
    Reflect.deleteProperty(Error, 'stackTraceLimit');
    assert.equal(nameOfCaller(), own);
    assert.equal('stackTraceLimit' in Error, false);
    assert.equal(Error.prepareStackTrace, prepareStackTrace);
  });

  it('is the name of the program if nothing can be set', () => {
    const { status, stdout } = runProgram('caller.mjs', { nodeOptions: ['--frozen-intrinsics', '--no-warnings'] });
    assert.deepEqual([status, stdout], [0, 'programs/caller.mjs\n']);
  });

  it('calls nothing of a program that replaces Error', () => {
    const { Error: original } = globalThis;
    let calls = 0;
    globalThis.Error = class extends original {
      static override prepareStackTrace = () => calls++;
    } as never;
    let name: string;
    try {
      name = nameOfCaller();
    } finally {
      globalThis.Error = original;
    }
    assert.deepEqual([name, calls], [nameOf(process.argv[1] as string), 0]);
  });
});
