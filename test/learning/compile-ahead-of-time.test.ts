import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import {
  CacheError,
  compileAheadOfTime,
  FileSystemCache,
  HashedModuleData,
  loadModule,
  V8Engine,
} from '../../dist/index.js';
import { LearningJobs } from '../../dist/learning/jobs.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { sumModule } from '../../dist/testing/modules.js';
import { madeUp } from '../support/bundles.js';
import { putArtifact } from '../support/cli.js';
import { everythingModule, observeEverything } from '../support/everything.js';
import { snapshot } from '../support/learning.js';
import { runProgram, temporaryDirectory } from '../support/processes.js';
import { codeSection, moduleOf, section } from '../support/wasm-binary.js';

const engine = new V8Engine();
const wireBytes = everythingModule();
const { hash } = HashedModuleData.sha256(wireBytes);
const functions = countFunctions(wireBytes);

const artifactIn = (directory: string) =>
  new FileSystemCache(directory, { wireBytes: 'omit' }).readArtifactSync(hash, engine, wireBytes.length);

describe('compileAheadOfTime', () => {
  it('stores code of every function, for good', async () => {
    const directory = temporaryDirectory();
    await compileAheadOfTime(wireBytes, { directory });
    const { nativeCode, coverage, final } = artifactIn(directory);
    assert.deepEqual({ coverage, final }, { coverage: 'full', final: true });
    assert.equal(readNativeCode(nativeCode, functions).optimised.size, functions.declared);
    const module = await new FileSystemCache(directory).load(hash, engine, { wireBytes });
    assert.deepEqual(observeEverything(module), observeEverything(new WebAssembly.Module(wireBytes)));
    assert.equal(Object.keys(snapshot(directory)).length, 1, 'nothing else is left behind');
  });

  it('does not change an artifact that is stored already', async () => {
    const directory = temporaryDirectory();
    await compileAheadOfTime(HashedModuleData.sha256(wireBytes), { directory });
    const before = snapshot(directory);
    await compileAheadOfTime(wireBytes.buffer, { directory });
    assert.deepEqual(snapshot(directory), before);
  });

  it('keeps the folder within the given limits, also for loadModule', async () => {
    for (const compile of [
      (directory: string, maxSize?: number) => compileAheadOfTime(wireBytes, { directory, maxSize }),
      async (directory: string, maxSize?: number) => {
        const cache = new FileSystemCache(directory, { wireBytes: 'omit', maxSize });
        await loadModule(wireBytes, { cache, engine, coverage: 'full' });
      },
    ]) {
      for (const [maxSize, isKept] of [
        [undefined, true],
        [2 ** 20, false],
      ] as const) {
        const directory = temporaryDirectory();
        const old = putArtifact(directory, madeUp(1, { nativeCode: Buffer.alloc(2 ** 20) }), { age: 3_600_000 });
        writeFileSync(path.join(directory, 'swept'), '');
        utimesSync(path.join(directory, 'swept'), 0, 0); // so that it is time
        await compile(directory, maxSize);
        assert.equal(artifactIn(directory).coverage, 'full');
        assert.equal(existsSync(old), isKept);
      }
    }
  });

  it('compiles once for all callers who want the same module', async () => {
    const directory = temporaryDirectory();
    await Promise.all(Array.from({ length: 5 }, () => compileAheadOfTime(wireBytes, { directory })));
    assert.equal(artifactIn(directory).generation, 0, 'written once');
    assert.equal(Object.keys(snapshot(directory)).length, 1);
  });

  it('waits for a learner of another process, until the timeout', async () => {
    const directory = temporaryDirectory();
    const held = new LearningJobs(directory).hold(hash, {
      engineId: engine.deterministicId,
      coverage: 'full',
      wireLength: wireBytes.length,
      part: wireBytes,
    });
    const before = snapshot(directory);
    await assert.rejects(
      compileAheadOfTime(wireBytes, { directory, timeout: 200 }),
      ofKind('Serialize', ({ message }) => assert.match(message, /was not compiled in 200 ms/)),
    );
    assert.deepEqual(snapshot(directory), before, "the other process's job is still there");
    held?.release();
  });

  it('does not wait for a job that was given up', async () => {
    const directory = temporaryDirectory();
    const jobs = new LearningJobs(directory);
    jobs.add(hash, {
      engineId: engine.deterministicId,
      coverage: 'full',
      wireLength: wireBytes.length,
      part: wireBytes,
    });
    jobs.giveUp(hash);
    const start = performance.now();
    await assert.rejects(compileAheadOfTime(wireBytes, { directory, waitAtMost: 300_000 }), ofKind('Serialize'));
    assert.ok(performance.now() - start < 60_000);
  });

  it('says what has the name of its job, and does not wait for it', {
    skip: process.platform === 'win32',
  }, async () => {
    const directory = temporaryDirectory();
    const file = new LearningJobs(directory).file(hash);
    mkdirSync(path.dirname(file));
    spawnSync('mkfifo', [file]);
    await assert.rejects(
      compileAheadOfTime(wireBytes, { directory }),
      ofKind('FileWrite', ({ message }) => assert.ok(message.includes(file))),
    );
  });

  it('reports what is wrong with the folder', async () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o777);
    await assert.rejects(compileAheadOfTime(wireBytes, { directory }), ofKind('Untrusted'));
    assert.deepEqual(snapshot(directory), {});
    for (const impossible of ['/proc/nowhere', path.join(import.meta.filename, 'below-a-file')]) {
      await assert.rejects(compileAheadOfTime(wireBytes, { directory: impossible }), ofKind('FileWrite'));
    }
  });

  it('ends at its signal, and can be repeated', async () => {
    const directory = temporaryDirectory();
    const reason = new Error('enough');
    await assert.rejects(compileAheadOfTime(wireBytes, { directory, signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const pending = compileAheadOfTime(wireBytes, { directory, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await assert.rejects(pending, reason);
    await compileAheadOfTime(wireBytes, { directory });
    assert.equal(artifactIn(directory).coverage, 'full');
  });

  it('fails for bytes that V8 does not compile, and leaves nothing behind', async () => {
    const broken = moduleOf(section(1, [1, 0x60, 0, 1, 0x7f]), section(3, [1, 0]), codeSection([[0, 0x0b]]));
    const directory = temporaryDirectory();
    await assert.rejects(
      compileAheadOfTime(broken, { directory }),
      ofKind('Serialize', ({ message }) => assert.match(message, /could not be optimised ahead of time/)),
    );
    await assert.rejects(compileAheadOfTime(Buffer.from('not a module'), { directory }), ofKind('Serialize'));
    assert.deepEqual(snapshot(directory), {});
  });

  it('says which option is wrong', async () => {
    const directory = temporaryDirectory();
    for (const timeout of [0, -1, Number.NaN, 300_001, Number.POSITIVE_INFINITY]) {
      await assert.rejects(
        compileAheadOfTime(wireBytes, { directory, timeout }),
        new TypeError(`The option timeout must be milliseconds up to 300000, not ${timeout}`),
      );
    }
  });

  it('does not change this process', async () => {
    const { deterministicId } = engine;
    await compileAheadOfTime(sumModule(), { directory: temporaryDirectory() });
    assert.equal(engine.deterministicId, deterministicId);
    assert.equal(engine.serialize(new WebAssembly.Module(sumModule())), undefined);
  });

  it('says why, if native code is not supported', () => {
    const { status, stdout, stderr } = runProgram('compile-ahead-of-time.mjs', {
      nodeOptions: ['--disable-wasm-trap-handler'],
      args: [temporaryDirectory()],
    });
    assert.equal(status, 0, stderr);
    const { name, kind, message } = JSON.parse(stdout);
    assert.deepEqual({ name, kind }, { name: new CacheError('Serialize', '').name, kind: 'Serialize' });
    assert.match(message, /^Modules cannot be compiled ahead of time here: .*trap handler/);
  });
});
