// The modules whose artifacts are damaged, and the results of running them. Each has any number of variants, which differ in a
// custom section at the end. V8 and the cache treat variants as different modules, but their native code is the same. (With the same
// bytes V8 would find the live module and not read the native code.)
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { damage, forgery } from '../../.test-build/support/damage.js';
import { everythingModule, observeEverything } from '../../.test-build/support/everything.js';
import { named, section } from '../../.test-build/support/wasm-binary.js';
import { encodeArtifact } from '../../dist/artifact/artifact.js';
import { Signer } from '../../dist/artifact/signature.js';
import { ModuleHash, V8Engine } from '../../dist/index.js';

const require = createRequire(import.meta.url);

export const SECRET = 'a-secret-of-many-letters';

const subjects = {
  everything: { wasm: everythingModule(), run: async (module) => observeEverything(module).join('\n') },
  'sql.js': { wasm: readFileSync(require.resolve('sql.js/dist/sql-wasm.wasm')), run: queryDatabase },
};
export const SUBJECTS = Object.keys(subjects);

/** Of the module itself, or of a variant. */
export function wireBytesOf(subject, variant) {
  const { wasm } = subjects[subject];
  if (variant === undefined) return wasm;
  const number = [24, 16, 8, 0].map((shift) => (variant >> shift) & 0xff);
  const custom = section(0, [...named('variant'), ...number]);
  const wireBytes = new Uint8Array(wasm.length + custom.length);
  wireBytes.set(wasm);
  wireBytes.set(custom, wasm.length);
  return wireBytes;
}

/** As text. */
export function resultOf(subject, module) {
  return subjects[subject].run(module);
}

/** The artifact of a variant, and for splices one of the next variant with less code, like an earlier generation. */
export function artifactsOf(subject, variant, nativeCode, includeWireBytes = true) {
  const engineId = new V8Engine().deterministicId;
  const encode = (each, changes) => {
    const wireBytes = wireBytesOf(subject, each);
    const key = ModuleHash.sha256(wireBytes);
    const common = {
      key,
      engineId,
      coverage: 'full',
      generation: 3,
      final: true,
      hasLearnerCode: false,
      optimisedFor: 0,
      observedFor: 0,
      missing: 0,
      bypassedUntil: 0,
      nativeCode,
    };
    const parts = { wireBytes: includeWireBytes ? wireBytes : undefined, wireLength: wireBytes.length };
    const bytes = encodeArtifact({ ...common, ...parts, ...changes }, new Signer([SECRET]));
    return { key, engineId, wireBytes, bytes };
  };
  const less = {
    coverage: 'hot',
    generation: 2,
    final: false,
    nativeCode: nativeCode.subarray(nativeCode.length >> 3),
  };
  return { ...encode(variant, {}), other: encode((variant ?? 0) + 1, less).bytes };
}

/** Damage number `index` to a result of {@link artifactsOf}. Every third one is a forgery. */
export function damageTo({ bytes, other }, number) {
  const forgeries = Math.floor(number / 3);
  return number % 3 === 2 ? forgery(bytes, other, forgeries) : damage(bytes, other, number - forgeries);
}

/**
 * Whether an unsigned forgery with a correct checksum may be loaded. It may if only the generation, the state of learning, the
 * coverage or the signature differ, because it is still for the same module and engine.
 */
export function mayPass(forged, original) {
  const isSame = (from, to) => Buffer.compare(forged.subarray(from, to), original.subarray(from, to)) === 0;
  const [version, nativeChecksum, coverage, flags] = [8, 12, 21, 22];
  return (
    forged.length === original.length &&
    isSame(version, nativeChecksum + 4) &&
    [1, 2].includes(forged[coverage]) &&
    forged[flags] >> 1 === original[flags] >> 1 &&
    [
      [20, 21], // algorithm
      [23, 24], // length of the engine id
      [32, 260], // lengths, key and engine id
      [304, 308], // nothing
      [312, original.length],
    ].every(([from, to]) => isSame(from, to))
  );
}

async function queryDatabase(module) {
  const file = require.resolve('sql.js');
  delete require.cache[file]; // it makes only one instance
  const instantiateWasm = (imports, receive) => receive(new WebAssembly.Instance(module, imports));
  const { Database } = await require(file)({ instantiateWasm });
  const database = new Database();
  database.run('create table t(id integer primary key, name text)');
  for (let id = 0; id < 20; id++) database.run('insert into t values(?, ?)', [id, `name ${id * 7919}`]);
  return JSON.stringify(database.exec('select id % 3, count(*), max(name) from t group by 1 order by 3'));
}
