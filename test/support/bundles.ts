import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createTarPacker, type TarHeader, unpackTar } from 'modern-tar';
import { type Artifact, encodeArtifact } from '../../dist/artifact/artifact.js';
import { Signer } from '../../dist/artifact/signature.js';
import { entryName } from '../../dist/caches/entry-name.js';
import { exportBundle, ModuleHash } from '../../dist/index.js';
import { MemoryStore } from '../../dist/testing.js';

export const SECRET = 'the-secret-of-this-fleet';
export const ENGINE = 'node-v26.10.0_v8-14.6.202.34-node.18_linux-x64_bin-129387408_trap_tag-310b2ce3';

/** An artifact that no engine made. The same seed gives the same module. */
export function madeUp(seed: number, changes: Partial<Artifact> = {}): Artifact {
  const wireBytes = Buffer.alloc(1000 + seed, `wire bytes ${seed} `);
  return {
    key: ModuleHash.sha256(wireBytes),
    engineId: ENGINE,
    coverage: 'hot',
    generation: 0,
    final: false,
    hasLearnerCode: false,
    optimisedFor: 0,
    observedFor: 0,
    missing: 0,
    bypassedUntil: 0,
    nativeCode: Buffer.alloc(3000, `native code ${seed} `),
    wireBytes,
    wireLength: wireBytes.length,
    ...changes,
  };
}

export function encoded(artifact: Artifact, secret: string | null): Uint8Array {
  return encodeArtifact(artifact, secret === null ? undefined : new Signer([secret]));
}

export async function storeOf(artifacts: Artifact[], secret: string | null = SECRET): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const artifact of artifacts) await store.put(entryName(artifact), encoded(artifact, secret));
  return store;
}

/** The bytes of a bundle. Nothing in it is compressed, so that tests can change it. */
export async function bundleOf(artifacts: Artifact[], secret: string | null = SECRET): Promise<Buffer> {
  const to = new PassThrough();
  const from = await storeOf(artifacts, secret);
  const trust = secret === null ? { allowUnsigned: true } : { secret };
  const [bytes] = await Promise.all([buffer(to), exportBundle({ from, to, compression: 'none', ...trust })]);
  return bytes;
}

export interface Entry {
  header: TarHeader;
  data: Uint8Array;
}

export async function entriesOf(bundle: Uint8Array): Promise<Entry[]> {
  const entries = await unpackTar(bundle, { strict: true });
  return entries.map(({ header, data = new Uint8Array(0) }) => ({ header, data }));
}

/** A tar file of these entries, valid or not. */
export async function tarOf(entries: Entry[]): Promise<Buffer> {
  const { readable, controller } = createTarPacker();
  const bytes = buffer(readable as unknown as Parameters<typeof buffer>[0]);
  for (const { header, data } of entries) {
    const writer = controller.add({ ...header, size: data.length }).getWriter();
    if (data.length > 0) await writer.write(data);
    await writer.close();
  }
  controller.finalize();
  return bytes;
}

/** The bytes as a stream of chunks. */
export function streamOf(bytes: Uint8Array, size = 1000): Readable {
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  return Readable.from(pieces(), { objectMode: false });
}
