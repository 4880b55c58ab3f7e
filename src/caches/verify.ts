import path from 'node:path';
import { checkSignature, DEFAULT_MAX_ARTIFACT_SIZE, decodeArtifact } from '../artifact/artifact.js';
import { type ArtifactHeader, bodyLength, decodeHeader, HEADER_LENGTH } from '../artifact/header.js';
import { Signer } from '../artifact/signature.js';
import { CacheError, messageOf } from '../cache-error.js';
import type { OpenFile } from '../files/file.js';
import { run, type Steps } from '../files/steps.js';
import { FileSystemStore } from '../stores/file-system.js';
import { wrongOption } from '../wrong-option.js';
import { CrashGuard } from './crash-guard.js';
import { checkDirectory, entryName } from './entry-name.js';
import type { FileSystemCacheOptions } from './file-system-options.js';
import { type FoundFile, inventory } from './inventory.js';
import { isOurs, READ_TO_TELL } from './ownership.js';
import { deadEngines, isLeftBehind } from './sweep.js';

/**
 * Options of {@link verifyCache}.
 *
 * @example
 * ```ts
 * import { type VerifyOptions, verifyCache } from 'wasm-module-cache';
 *
 * const options: VerifyOptions = { secret: 'a-secret-of-many-letters', dryRun: true };
 * console.log((await verifyCache('cache', options)).steps.map(({ name }) => name)); // [ 'list', 'check' ]
 * ```
 */
export interface VerifyOptions {
  /** The secret of the `FileSystemCache`. Files that are not signed with it are reported, and kept. */
  secret?: FileSystemCacheOptions['secret'];
  /** Only report, and change nothing. Default false. */
  dryRun?: boolean | undefined;
}

/**
 * One file of a cache folder.
 *
 * @example
 * ```ts
 * import { type VerifiedFile, verifyCache } from 'wasm-module-cache';
 *
 * const isWaste = ({ outcome, isOfDeadEngine }: VerifiedFile) => outcome === 'kept' && isOfDeadEngine;
 * const { files } = await verifyCache('cache');
 * console.log(files.filter(isWaste).length); // 0
 * ```
 */
export interface VerifiedFile {
  /** Its absolute path. */
  file: string;
  /** In bytes. */
  size: number;
  /**
   * - `kept`: a valid artifact, a program record, or the statistics of a day.
   * - `repaired`: others could read it, or it was in the wrong place. It is valid now.
   * - `removed`: damaged, or left behind by a dead process.
   * - `quarantined`: valid, but a process died while it loaded the artifact. It is not loaded until tries in other processes succeed.
   * - `untrusted`: it belongs to somebody else, others can write to it, or it is not signed with the secret. It is not loaded, and kept.
   * - `unknown`: a foreign file, which is never touched.
   */
  outcome: 'kept' | 'repaired' | 'removed' | 'quarantined' | 'untrusted' | 'unknown';
  /** The reason, if it is not simply kept. */
  reason: string | undefined;
  /** The header of an artifact, if it is readable. */
  header: ArtifactHeader | undefined;
  /** Whether the artifact's engine was not used for two weeks. A sweep removes such artifacts first. */
  isOfDeadEngine: boolean;
  /** Milliseconds since its last use, to the hour. Negative if its time stamp is in the future. */
  age: number;
}

/**
 * The result of {@link verifyCache}.
 *
 * @example
 * ```ts
 * import { FileSystemCache, HashedModuleData, loadModule, V8Engine, type VerifyReport, verifyCache } from 'wasm-module-cache';
 *
 * const cache = new FileSystemCache('cache');
 * await loadModule(await HashedModuleData.fromFile('plugin.wasm'), { cache, engine: new V8Engine() });
 * const report: VerifyReport = await verifyCache(cache.directory);
 * console.log(report.totals.kept.files, report.files[0]?.header?.coverage); // 1 none
 * ```
 */
export interface VerifyReport {
  /** Every file, sorted by name. */
  files: VerifiedFile[];
  /** The number of files with each outcome, and their bytes. */
  totals: Record<VerifiedFile['outcome'], { files: number; size: number }>;
  /** The milliseconds of each step, in order. */
  steps: { name: 'list' | 'check' | 'repair'; duration: number }[];
}

const { now } = Date;
const { performance } = globalThis;
const PRIVATE = 0o600;
/** A larger file is not read to its end, and so counts as damaged. */
const MAX_ARTIFACT_FILE_SIZE = DEFAULT_MAX_ARTIFACT_SIZE + HEADER_LENGTH;

/**
 * Checks every file of a cache folder completely: the format, the checksums, whether it is stored under its key and engine, the signature.
 * It removes damaged files and leftovers, repairs what it can, and never touches foreign files.
 *
 * @throws {CacheError} kind `Untrusted` when others may write to the folder and there is no secret.
 * @throws {TypeError} when the path is empty, or an option is wrong.
 *
 * @example
 * ```ts
 * import { verifyCache } from 'wasm-module-cache';
 *
 * const { totals, files } = await verifyCache('cache', { dryRun: true });
 * console.log(totals.kept.files, totals.removed.size, files.length); // 0 0 0
 * ```
 */
export async function verifyCache(directory: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  checkDirectory(directory);
  const { secret, dryRun = false } = options;
  // A mistake in dryRun must not change files: `null` and 0 would count as false.
  if (typeof dryRun !== 'boolean') throw wrongOption('dryRun', 'true or false', dryRun);
  const signer = secret === undefined ? undefined : new Signer([secret].flat() as string[]);
  const store = new FileSystemStore(directory, { isShared: signer !== undefined });
  store.checkTrust();
  const steps: VerifyReport['steps'] = [];
  const timed = async <T>(name: VerifyReport['steps'][number]['name'], action: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    try {
      return await action();
    } finally {
      steps.push({ name, duration: performance.now() - start });
    }
  };

  const found = await timed('list', async () => {
    const all: FoundFile[] = [];
    for await (const file of inventory(store.directory)) all.push(file);
    return all.sort((a, b) => (a.file < b.file ? -1 : 1));
  });
  const checked = await timed('check', async () => {
    const all: Checked[] = [];
    for (const file of found) all.push({ ...(await check(file, store, signer)), found: file });
    return all;
  });
  if (!dryRun) {
    await timed('repair', async () => {
      for (const each of checked) await each.repair?.();
    });
  }

  const dead = deadEngines(found);
  const files = checked.map(({ found: each, outcome, reason, header }) => ({
    file: each.file,
    size: each.size,
    outcome,
    reason,
    header,
    isOfDeadEngine: each.kind === 'artifact' && dead.has(each.engine),
    age: now() - each.usedAt,
  }));
  const totals = {
    kept: none(),
    repaired: none(),
    removed: none(),
    quarantined: none(),
    untrusted: none(),
    unknown: none(),
  };
  for (const { outcome, size } of files) {
    totals[outcome].files++;
    totals[outcome].size += size;
  }
  return { files, totals, steps };
}

interface Finding {
  outcome: VerifiedFile['outcome'];
  reason?: string;
  header?: ArtifactHeader;
  repair?: () => Promise<unknown>;
}
type Checked = Finding & { found: FoundFile };

async function check(found: FoundFile, store: FileSystemStore, signer: Signer | undefined): Promise<Finding> {
  const { kind, file, name } = found;
  const remove = () => run(store.remove(name));
  let bytes: Uint8Array;
  try {
    bytes = await run(store.use(name, (opened) => readToCheck(opened, kind)));
  } catch (error) {
    const reason = messageOf(error);
    if (CacheError.is(error, 'Untrusted')) return { outcome: 'untrusted', reason };
    return { outcome: 'kept', reason }; // an error of the file system does not mean that the file is bad
  }
  if (!isOurs(kind, bytes)) return { outcome: 'unknown', reason: 'not of this package' };
  if (isLeftBehind(found)) {
    return { outcome: 'removed', reason: 'left behind by a process that is gone', repair: remove };
  }
  if (kind === 'record') return { outcome: 'kept', reason: 'tells which modules a program uses' };
  if (kind === 'code') return { outcome: 'kept', reason: "V8's code for the hook itself" };
  if (kind === 'statistics') return { outcome: 'kept', reason: 'tells what became of modules on one day' };
  if (kind !== 'artifact') return { outcome: 'kept', reason: 'a process is at work on it' };

  let header: ArtifactHeader | undefined;
  try {
    header = decodeHeader(bytes);
    const { nativeCode, wireBytes } = decodeArtifact(bytes);
    if (signer) checkSignature(bytes, nativeCode, wireBytes, signer);
  } catch (error) {
    const finding = { reason: messageOf(error), ...(header && { header }) };
    if (CacheError.is(error, 'Untrusted')) return { ...finding, outcome: 'untrusted' };
    return { ...finding, outcome: 'removed', repair: remove };
  }

  const rightName = entryName(header);
  if (rightName !== name) {
    if (await run(store.lstat(rightName)))
      return { outcome: 'removed', reason: 'stored twice, once in the wrong place', header, repair: remove };
    const move = async () => {
      await store.put(rightName, bytes);
      await remove();
    };
    const reason = `belongs at ${path.join(store.directory, rightName)}`;
    return { outcome: 'repaired', reason, header, repair: move };
  }
  const mode = ((await run(store.lstat(name)))?.mode ?? PRIVATE) & 0o777;
  if (!signer && process.platform !== 'win32' && mode !== PRIVATE) {
    const reason = `had the mode ${mode.toString(8)}`;
    return { outcome: 'repaired', reason, header, repair: () => store.put(name, bytes) };
  }
  const quarantine = new CrashGuard(file).quarantine();
  if (!quarantine) return { outcome: 'kept', header };
  const { deaths, goodTries } = quarantine;
  return { outcome: 'quarantined', reason: `${deaths} loads did not finish; good tries since: ${goodTries}`, header };
}

/** All of an artifact of the size that its header announces, and of anything else as much as shows what it is. */
function* readToCheck(file: OpenFile, kind: FoundFile['kind']): Steps<Uint8Array> {
  const start = yield* file.read(0, Math.min(file.size, READ_TO_TELL));
  if (kind !== 'artifact' || file.size <= start.length) return start;
  try {
    if (file.size !== HEADER_LENGTH + bodyLength(decodeHeader(start))) return start;
  } catch {
    return start; // Reading more would not help.
  }
  return file.size > MAX_ARTIFACT_FILE_SIZE ? start : yield* file.read(0, file.size);
}

function none(): { files: number; size: number } {
  return { files: 0, size: 0 };
}
