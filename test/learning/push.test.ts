import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Artifact } from '../../dist/artifact/artifact.js';
import { FileSystemCache, FileSystemStore, ModuleHash, RemoteCache } from '../../dist/index.js';
import { type Push, push } from '../../dist/learning/push.js';
import { decodeProgramRecord, encodeProgramRecord } from '../../dist/stores/program-record.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const secret = 'the-secret-of-this-fleet';
const PROGRAM = 'programs/app_main.js.json';
const engine = new FakeEngine();

function artifact(key: ModuleHash, length = 1000, more: Partial<Artifact> = {}): Artifact {
  return {
    key,
    engineId: engine.deterministicId,
    coverage: 'hot',
    generation: 3,
    final: false,
    hasLearnerCode: false,
    optimisedFor: 0,
    observedFor: 0,
    missing: 0,
    bypassedUntil: 0,
    nativeCode: new Uint8Array(length).fill(0x90),
    wireBytes: undefined,
    wireLength: 70_000,
    ...more,
  };
}

function scene({ secrets = [secret] as string[] | undefined } = {}) {
  const directory = temporaryDirectory();
  const shared = temporaryDirectory();
  const folder = new FileSystemCache(directory, { wireBytes: 'omit', secret: secrets });
  const store = new FileSystemStore(shared, { isShared: true });
  const remote = new RemoteCache(store, {
    timeout: 60_000,
    ...(secrets ? { secret: secrets } : { allowUnsigned: true }),
  });
  const run = (keys: ModuleHash[], task: Partial<Push> = {}) => {
    const url = pathToFileURL(shared).href;
    return push({ url, allowUnsigned: !secrets, program: PROGRAM, keys: keys.map(String), ...task }, folder, engine);
  };
  const listed = async (name = PROGRAM) => {
    const value = await store.get(name);
    return value && decodeProgramRecord(value.bytes);
  };
  const stored = (key: ModuleHash) => remote.fetch({ key, engineId: engine.deterministicId, wireLength: 70_000 });
  return { directory, shared, folder, store, remote, run, listed, stored };
}

describe('push', () => {
  for (const secrets of [[secret], undefined]) {
    it(`puts artifacts and the program record into the store, ${secrets ? 'signed' : 'unsigned'}`, async () => {
      const { folder, run, listed, stored } = scene({ secrets });
      const keys = [ModuleHash.random(), ModuleHash.random()];
      for (const [index, key] of keys.entries()) folder.writeArtifactSync(artifact(key, 1000 + index));
      await run(keys);
      assert.deepEqual(await listed(), keys.map(String));
      for (const [index, key] of keys.entries()) {
        const { nativeCode, wireBytes, wireLength } = await stored(key);
        assert.deepEqual([nativeCode.length, wireBytes, wireLength], [1000 + index, undefined, 70_000]);
      }
    });
  }

  it('replaces artifacts with less code or a wrong signature, and keeps those with more code', async () => {
    const { folder, remote, store, run, stored } = scene();
    const [less, more, unsigned] = [ModuleHash.random(), ModuleHash.random(), ModuleHash.random()];
    await remote.push(artifact(less, 500));
    await remote.push(artifact(more, 2000));
    await new RemoteCache(store, { timeout: 60_000, allowUnsigned: true }).push(artifact(unsigned, 5000));
    await assert.rejects(stored(unsigned), ofKind('Untrusted'));
    for (const key of [less, more, unsigned]) folder.writeArtifactSync(artifact(key));
    await run([less, more, unsigned]);
    const lengths = await Promise.all([less, more, unsigned].map(async (key) => (await stored(key)).nativeCode.length));
    assert.deepEqual(lengths, [1000, 2000, 1000]);
  });

  it('adds new modules at the front of the record', async () => {
    const { store, run, listed } = scene();
    const [old, fresh] = [ModuleHash.random(), ModuleHash.random()];
    await store.put(PROGRAM, encodeProgramRecord([String(old)]));
    await run([fresh, old]);
    assert.deepEqual(await listed(), [String(fresh), String(old)]);
    await store.put(PROGRAM, Buffer.from('garbage'));
    await run([fresh]);
    assert.deepEqual(await listed(), [String(fresh)]);
  });

  it('writes no record for a program without a file, or if the record has everything', async () => {
    const { shared, store, run } = scene();
    const key = ModuleHash.random();
    await run([key], { program: undefined });
    assert.deepEqual(filesIn(shared), []);
    await store.put(PROGRAM, encodeProgramRecord([String(key)]));
    const before = filesIn(shared);
    await run([key]);
    assert.deepEqual(filesIn(shared), before);
  });

  it('skips modules that are missing, left to V8 or damaged, and pushes the others', async () => {
    const { directory, folder, run, listed, stored } = scene();
    const [absent, leftAlone, damaged, good] = Array.from({ length: 4 }, () => ModuleHash.random()) as [
      ModuleHash,
      ModuleHash,
      ModuleHash,
      ModuleHash,
    ];
    for (const key of [leftAlone, damaged, good]) folder.writeArtifactSync(artifact(key));
    const header = folder.readHeaderSync(leftAlone, engine);
    assert.ok(header);
    folder.bypassSync(header, 1);
    const [engineFolder = ''] = readdirSync(directory);
    const file = path.join(directory, engineFolder, `${damaged}.artifact`);
    const bytes = readFileSync(file);
    bytes[bytes.length - 1] = 0x91;
    writeFileSync(file, bytes);
    await run([absent, leftAlone, damaged, good]);
    assert.equal((await stored(good)).nativeCode.length, 1000);
    for (const key of [absent, leftAlone, damaged]) await assert.rejects(stored(key), ofKind('NotFound'));
    assert.equal((await listed())?.length, 4);
  });

  it("forgets the folder's record if the store fails, so that the next run pushes again", async () => {
    const { directory, folder, run } = scene();
    const key = ModuleHash.random();
    folder.writeArtifactSync(artifact(key));
    const list = path.join(directory, PROGRAM);
    for (const url of ['http://127.0.0.1:1', 'redis://127.0.0.1:1', 'redis://127.0.0.1/no-number']) {
      await new FileSystemStore(directory).put(PROGRAM, encodeProgramRecord([String(key)]));
      await assert.rejects(run([key], { url }));
      assert.equal(existsSync(list), false, url);
    }
    assert.ok(folder.readHeaderSync(key, engine)); // and nothing else
  });
});
