import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { CrashGuard } from '../../dist/caches/crash-guard.js';
import { FileSystemCache } from '../../dist/index.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { sample } from '../../dist/testing/sample.js';
import { variants } from '../../dist/testing/variants.js';
import { until } from '../support/learning.js';
import { filesIn, remove, root, runProgram, temporaryDirectory } from '../support/processes.js';

const onLinux = { skip: process.platform !== 'linux' && 'needs the addon, and signals' };

function setUp() {
  const artifact = path.join(temporaryDirectory(), 'abc.artifact');
  const file = artifact.replace('.artifact', '.loading');
  /** Runs a program that loads, and ends as `how` says; see the program. */
  const load = (how: string) => runProgram('load-under-guard.mjs', { args: [artifact, how] });
  const note = () => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);
  return { artifact, guard: new CrashGuard(artifact), file, load, note };
}

describe('CrashGuard', onLinux, () => {
  it('has its note while V8 restores, whatever the outcome', () => {
    const { guard, note } = setUp();
    assert.equal(guard.watch(note), 'loading\n');
    assert.equal(note(), undefined);
    const error = new Error('V8 refuses');
    const refuse = () => {
      throw error;
    };
    assert.throws(() => guard.watch(refuse), error);
    assert.equal(note(), undefined);
  });

  it('notes several loads at the same time', () => {
    const { guard, note } = setUp();
    const notes = guard.watch(() => [note(), guard.watch(note), guard.quarantine()]);
    assert.deepEqual(notes, ['loading\n', 'loading\nloading\n', undefined]);
    assert.equal(note(), undefined);
  });

  for (const how of ['SIGSEGV', 'SIGABRT', 'SIGILL', 'SIGBUS', 'SIGTRAP', 'SIGFPE']) {
    it(`quarantines at once what ends its process with ${how}, which ends as without the guard`, () => {
      const { guard, load, note } = setUp();
      assert.equal(load(how).signal, how);
      assert.equal(note(), 'crashed\n');
      assert.deepEqual(guard.quarantine(), { deaths: 1, goodTries: 0 });
    });
  }

  for (const how of ['crash', 'crash in a worker']) {
    it(`quarantines what makes V8 ${how}`, () => {
      const { guard, load } = setUp();
      assert.notEqual(load(how).signal, null);
      assert.deepEqual(guard.quarantine(), { deaths: 1, goodTries: 0 });
    });
  }

  for (const how of ['exit', 'terminate', 'exit while a worker loads', 'abort while a worker loads']) {
    it(`has no note left after: ${how}`, () => {
      const { guard, load, note } = setUp();
      load(how);
      assert.notEqual(note(), 'crashed\n');
      assert.equal(guard.quarantine(), undefined);
      if (!how.startsWith('abort')) assert.equal(note(), undefined);
    });
  }

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const) {
    it(`lets the artifact be loaded again after ${signal} from outside, but not after two in a row`, async () => {
      const { guard, artifact, file, load } = setUp();
      const kill = async () => {
        const child = spawn(process.execPath, [program, artifact, 'hang'], { stdio: ['ignore', 'pipe', 'ignore'] });
        await new Promise((resolve) => child.stdout.once('data', resolve));
        assert.equal(guard.quarantine(), undefined, 'it lives');
        child.kill(signal);
        await new Promise((resolve) => child.once('exit', resolve));
      };
      await kill();
      assert.equal(guard.quarantine(), undefined);
      assert.ok(existsSync(file));
      assert.equal(load('well').status, 0);
      assert.equal(existsSync(file), false, 'a good load forgets it');
      await kill();
      await kill();
      assert.deepEqual(guard.quarantine(), { deaths: 1, goodTries: 0 });
    });
  }

  it('sees the death of one process while another one loads the same artifact', async () => {
    const { guard, artifact, load } = setUp();
    const hanging = spawn(process.execPath, [program, artifact, 'hang'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((resolve) => hanging.stdout.once('data', resolve));
    assert.equal(load('SIGSEGV').signal, 'SIGSEGV');
    assert.deepEqual(guard.quarantine(), { deaths: 1, goodTries: 0 });
    hanging.kill('SIGKILL');
    await new Promise((resolve) => hanging.once('exit', resolve));
    assert.deepEqual(guard.quarantine(), { deaths: 1, goodTries: 0 });
  });

  it('sees a death as process 1 of a container, and takes a zombie for dead', {
    skip: spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status !== 0 && 'cannot unshare',
  }, async () => {
    const { guard, artifact, note } = setUp();
    const asProcess1 = (how: string) =>
      spawnSync('unshare', ['--pid', '--fork', '--mount-proc', process.execPath, program, artifact, how]);
    assert.equal(asProcess1('crash').stdout.toString(), '');
    assert.deepEqual([note(), guard.quarantine()], ['crashed\n', { deaths: 1, goodTries: 0 }]);
    guard.clear();
    // A shell that never waits for its children.
    const command = `"$0" "$@" & sleep 600`;
    const parent = spawn('sh', ['-c', command, process.execPath, program, artifact, 'kill itself'], {
      stdio: 'ignore',
    });
    try {
      for (const count of [1, 2]) {
        if (count === 2) runProgram('load-under-guard.mjs', { args: [artifact, 'kill itself'] });
        await until(`${count} interrupted`, () => note() === 'loading\n'.repeat(count));
      }
      await until('both count', () => guard.quarantine()?.deaths === 1);
    } finally {
      parent.kill();
    }
  });

  it('marks no load of another thread if WebAssembly traps meanwhile', () => {
    const { load, note } = setUp();
    const { status, stdout, stderr } = load('trap while another thread loads');
    assert.deepEqual([status, stdout, stderr], [0, 'trapped\n', '']);
    assert.equal(note(), undefined);
  });

  it('leaves the signal handlers as they were', () => {
    const { load } = setUp();
    assert.deepEqual(load('handlers').stdout, 'the same\n');
  });

  it('goes on if the note cannot be created', () => {
    const guard = new CrashGuard(path.join(temporaryDirectory(), 'nowhere', 'abc.artifact'));
    const loaded = guard.watch(() => 'loaded');
    assert.equal(loaded, 'loaded');
    assert.equal(guard.quarantine(), undefined);
  });

  it('neither follows a link nor waits for a pipe in place of its note', () => {
    for (const kind of ['link', 'link to itself', 'pipe', 'folder']) {
      const { guard, file, load } = setUp();
      const other = path.join(path.dirname(file), 'other');
      writeFileSync(other, 'of somebody else');
      if (kind === 'link') symlinkSync(other, file);
      if (kind === 'link to itself') symlinkSync(file, file);
      if (kind === 'pipe') spawnSync('mkfifo', [file]);
      if (kind === 'folder') mkdirSync(file);
      assert.equal(guard.quarantine(), undefined);
      const loaded = guard.watch(() => 'loaded');
      assert.equal(loaded, 'loaded');
      assert.equal(load('SIGSEGV').signal, 'SIGSEGV');
      assert.equal(readFileSync(other, 'utf8'), 'of somebody else', kind);
    }
  });

  for (const [what, content, quarantine] of [
    ['an empty note', '', undefined],
    ['something else', 'something else\nand more', undefined],
    ['a line that is cut off', 'crash', undefined],
    ['one interrupted load', 'loading\n', undefined],
    ['two interrupted loads', 'loading\nloading\n', { deaths: 1, goodTries: 0 }],
    ['a load that went well beside a crash', 'crashed\nloaded \n', { deaths: 1, goodTries: 0 }],
    ['two crashes', 'crashed\nloading\ncrashed\n', { deaths: 2, goodTries: 0 }],
    ['good tries', 'quarantined 2 1\n', { deaths: 2, goodTries: 1 }],
    ['a try that crashed', 'quarantined 2 1\ncrashed\n', { deaths: 3, goodTries: 0 }],
    ['a try that was killed', 'quarantined 2 1\nloading\n', { deaths: 3, goodTries: 0 }],
    ['numbers that are none', 'quarantined x -1\n', { deaths: 0, goodTries: 0 }],
    ['another artifact', 'replaced 2\n', undefined],
    ['another artifact that crashed, too', 'replaced 2\ncrashed\n', { deaths: 3, goodTries: 0 }],
  ] as const) {
    it(`reads ${what}`, () => {
      const { guard, file } = setUp();
      writeFileSync(file, content);
      assert.deepEqual(guard.quarantine(), quarantine);
    });
  }

  it('lets an artifact come back after three good tries', () => {
    const { guard, note, load } = setUp();
    load('SIGSEGV');
    for (const goodTries of [0, 1, 2]) {
      const quarantine = guard.quarantine();
      assert.deepEqual(quarantine, { deaths: 1, goodTries });
      guard.tryOut({ deaths: 1, goodTries }, () => assert.equal(note(), 'quarantined 1 0\nloading\n'));
    }
    assert.equal(guard.quarantine(), undefined);
    assert.equal(note(), undefined);
  });

  it('remembers the deaths of a replaced artifact until a load goes well', () => {
    const { guard, load, note } = setUp();
    load('SIGSEGV');
    guard.replaced({ deaths: 1, goodTries: 0 });
    assert.equal(guard.quarantine(), undefined);
    load('SIGSEGV');
    assert.deepEqual(guard.quarantine(), { deaths: 2, goodTries: 0 });
    guard.replaced({ deaths: 2, goodTries: 0 });
    load('well');
    assert.equal(note(), undefined);
  });
});

const program = path.join(root, 'test/programs/load-under-guard.mjs');

describe('FileSystemCache under the guard', () => {
  for (const variant of variants) {
    it(`neither loads nor reports a quarantined artifact, ${variant.name}`, async () => {
      const directory = temporaryDirectory();
      const cache = variant.of(new FileSystemCache(directory));
      const { key, engine, module, wireBytes } = sample();
      await cache.save(key, engine, module);
      const [artifact = ''] = filesIn(directory);
      const guard = artifact.replace('.artifact', '.loading');
      assertSameModule(await cache.load(key, engine), module);
      assert.equal(existsSync(guard), false);
      writeFileSync(guard, 'crashed\n');
      const { deserialize } = engine.calls;
      for (const options of [{}, { wireBytes }]) {
        await assert.rejects(
          cache.load(key, engine, options),
          ofKind('Untrusted', ({ message }) => assert.match(message, /did not finish/)),
        );
      }
      assert.equal(await cache.contains(key, engine), false);
      assert.equal(engine.calls.deserialize, deserialize);
      assert.ok(existsSync(artifact));
    });
  }

  it('takes no load for interrupted whose note cannot be removed', onLinux, () => {
    const directory = mkdtempSync('/tmp/wasm-cache-test-'); // Others cannot reach the temporary folder of the tests.
    const artifact = path.join(directory, 'abc.artifact');
    const note = artifact.replace('.artifact', '.loading');
    const guard = new CrashGuard(artifact);
    guard.watch(() => undefined); // loads the addon
    writeFileSync(note, 'loading\n', { mode: 0o600 });
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) for (const file of [directory, note]) chownSync(file, 65534, 65534); // Root may remove it.
    chmodSync(directory, 0o500);
    if (isRoot) process.seteuid?.(65534);
    try {
      for (let i = 0; i < 3; i++)
        assert.equal(
          guard.watch(() => 'loaded'),
          'loaded',
        );
      assert.equal(readFileSync(note, 'utf8'), `loading\n${'loaded \n'.repeat(3)}`);
      assert.equal(guard.quarantine(), undefined);
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(directory, 0o700);
      remove(directory);
    }
  });

  it('loads from a folder that cannot be written to', {
    skip: process.geteuid?.() === 0 ? 'root may write anywhere' : false,
  }, async () => {
    const directory = temporaryDirectory();
    const cache = new FileSystemCache(directory);
    const { key, engine, module } = sample();
    await cache.save(key, engine, module);
    const folder = path.dirname(filesIn(directory)[0] as string);
    chmodSync(folder, 0o500);
    assertSameModule(await cache.load(key, engine), module);
    chmodSync(folder, 0o700);
  });
});
