import path from 'node:path';
import type { Artifact } from '../artifact/artifact.js';
import { wanted } from '../artifact/packed.js';
import type { Signer } from '../artifact/signature.js';
import type { ArtifactStore } from '../artifact-store.js';
import { CacheError, messageOf } from '../cache-error.js';
import { CrashGuard } from '../caches/crash-guard.js';
import { entryName } from '../caches/entry-name.js';
import { FileSystemCache } from '../caches/file-system.js';
import { V8Engine } from '../engine/v8-engine.js';
import { ModuleHash } from '../module-hash.js';
import { FileSystemStore } from '../stores/file-system.js';
import { type OfferResult, offerArtifact } from '../stores/offer-artifact.js';
import { readArtifact } from '../stores/read-artifact.js';
import { TooLargeError } from '../too-large-error.js';
import type { ExportBundleOptions, LeftOutArtifact } from './types.js';

/** Which artifacts are read. */
export interface ArtifactSelection extends Pick<ExportBundleOptions, 'engines' | 'keys' | 'wireBytes' | 'signal'> {
  /** The names to read, whether or not they exist. Default: every name that the location lists. */
  names?: readonly string[] | undefined;
  maxArtifactSize: number;
}

/** An artifact that was read and checked. */
export interface FoundArtifact {
  artifact: Artifact;
  /** Bytes that it takes where it was read. */
  size: number;
}

const ARTIFACT_NAME = /^([^/]+)\/([0-9a-f]{64}|[0-9a-f]{16})\.artifact$/;
/** A fleet with 100 engines and 1,000 modules has fewer. A hostile store may list names for ever. */
const MAX_NAMES = 200_000;
/** Folder of an engine whose id cannot be a folder name, so the name holds a hash of the id. */
const HASHED_ENGINE = /^engine-[0-9a-f]{32}$/;
const ANY_KEY = ModuleHash.fromBytes(new Uint8Array(32));

/** A folder or a store that artifacts are copied from or to. Knows whom it trusts, and which format its readers expect. */
export class ArtifactLocation {
  readonly #store: ArtifactStore;
  readonly #signer: Signer | undefined;
  /** The folder's path; `undefined` for a store. */
  readonly #folder: string | undefined;
  /** Nobody else can write there, so artifacts without a signature are trusted too. */
  readonly #isPrivate: boolean;

  /**
   * @param option - the name of the option that named the location, for errors
   * @param signer - of the bundle or the transfer
   * @throws {TypeError} when `given` is not a location.
   * @throws {CacheError} kind `Untrusted` when it is a folder that others may write to, and nothing is signed.
   */
  constructor(option: string, given: string | FileSystemCache | ArtifactStore, signer: Signer | undefined) {
    const isCache = given instanceof FileSystemCache;
    // A cache without a secret has a private folder, where nobody looks at signatures.
    this.#signer = isCache ? given.signer : signer;
    this.#isPrivate = false;
    if (isCache || (typeof given === 'string' && given !== '')) {
      this.#folder = path.resolve(isCache ? given.directory : given);
      this.#isPrivate = isPrivateFolder(this.#folder, this.#signer);
      this.#store = new FileSystemStore(this.#folder, { isShared: !this.#isPrivate });
    } else if (typeof given === 'object' && typeof given?.get === 'function' && typeof given.put === 'function') {
      this.#store = given;
    } else {
      throw new TypeError(`The option ${option} must be the path of a folder, a FileSystemCache or an ArtifactStore`);
    }
  }

  /**
   * Reads artifacts one after the other, in the order of their names. Each is checked whole; what cannot be used is yielded with the
   * reason.
   *
   * @throws {TypeError} when the location cannot list its names, and no names are given.
   * @throws {CacheError} when the store fails.
   */
  async *artifacts(selection: ArtifactSelection): AsyncGenerator<FoundArtifact | LeftOutArtifact> {
    for (const name of selection.names ?? (await this.#list(selection))) {
      selection.signal?.throwIfAborted();
      const found = await this.#read(name, selection);
      if (found) yield found;
    }
  }

  /**
   * Stores the artifact unless the location has one that is as good. Wire bytes that are there are kept.
   *
   * @param packs - whether the artifact is compressed, where readers can unpack it
   * @throws {CacheError} when the store fails; the signal's reason.
   */
  async offer(
    artifact: Artifact,
    { packs, maxArtifactSize, signal }: { packs: boolean; maxArtifactSize: number; signal?: AbortSignal | undefined },
  ): Promise<OfferResult> {
    return this.#ask(signal, (store) =>
      offerArtifact(store, entryName(artifact), artifact, {
        signer: this.#signer,
        acceptsUnsigned: this.#isPrivate,
        packs: packs && this.#folder === undefined,
        maxSize: maxArtifactSize,
        signal,
      }),
    );
  }

  /** Sorted, so that two bundles of the same artifacts have the same order. */
  async #list({ engines, keys, signal }: ArtifactSelection): Promise<string[]> {
    const here = engines === 'this' ? folderOf(new V8Engine().deterministicId) : undefined;
    return this.#ask(signal, async (store) => {
      if (!store.list) throw new TypeError(`The store ${store.description} cannot list what it has`);
      const names: string[] = [];
      for await (const name of store.list(here === undefined ? '' : `${here}/`, { signal })) {
        const [, folder = '', key = ''] = ARTIFACT_NAME.exec(name) ?? [];
        if (folder === '' || (here !== undefined && folder !== here)) continue;
        if (typeof engines === 'function' && !HASHED_ENGINE.test(folder) && !engines(folder)) continue;
        if (!keys || keys(ModuleHash.parseHex(key))) names.push(name);
        if (names.length > MAX_NAMES) throw new CacheError('Other', `It lists more than ${MAX_NAMES} artifacts`);
      }
      return names.sort();
    });
  }

  /** `undefined` when it is gone by now, or its header says that it is not wanted. */
  async #read(name: string, selection: ArtifactSelection): Promise<FoundArtifact | LeftOutArtifact | undefined> {
    const { engines, wireBytes, maxArtifactSize, signal } = selection;
    const leaveOut = (reason: LeftOutArtifact['reason'], message: string) => ({ name, reason, message });
    let isWanted = true;
    try {
      const found = await this.#ask(signal, (store) =>
        readArtifact(store, name, {
          ...{ maxSize: maxArtifactSize, signer: this.#signer, acceptsUnsigned: this.#isPrivate, signal },
          check: (header) => {
            if (entryName(header) !== name) throw new CacheError('Deserialize', `It belongs at ${entryName(header)}`);
            isWanted = typeof engines !== 'function' || engines(header.engineId);
            if (!isWanted) throw new CacheError('Deserialize', 'It is for another engine');
            wanted(header, maxArtifactSize)(header);
          },
        }),
      );
      if (!found) return undefined;
      const { artifact, size } = found;
      const quarantine =
        this.#folder === undefined ? undefined : new CrashGuard(path.join(this.#folder, name)).quarantine();
      if (quarantine) return leaveOut('quarantined', `${quarantine.deaths} loads of it did not finish`);
      if (wireBytes === 'omit') artifact.wireBytes = undefined;
      if (artifact.wireBytes || artifact.coverage !== 'none') return { artifact, size };
      const isNote = artifact.bypassedUntil > 0;
      return leaveOut('empty', isNote ? 'A note that its module is left to V8' : 'Neither native code nor wire bytes');
    } catch (error) {
      if (!isWanted) return undefined;
      if (CacheError.is(error, 'Untrusted') && error.path === undefined) return leaveOut('untrusted', error.message);
      if (!CacheError.is(error, 'Deserialize')) throw error;
      return leaveOut(error instanceof TooLargeError ? 'too-large' : 'damaged', error.message);
    }
  }

  /** @throws {CacheError} whatever the store throws. */
  async #ask<T>(signal: AbortSignal | undefined, ask: (store: ArtifactStore) => Promise<T>): Promise<T> {
    const store = this.#store;
    try {
      return await ask(store);
    } catch (cause) {
      signal?.throwIfAborted();
      if (CacheError.is(cause) || cause instanceof TypeError) throw cause;
      throw new CacheError('Other', `The store ${store.description} failed: ${messageOf(cause)}`, { cause });
    }
  }
}

/** @throws {CacheError} kind `Untrusted` when others may write to the folder, and nothing is signed. */
function isPrivateFolder(folder: string, signer: Signer | undefined): boolean {
  try {
    new FileSystemStore(folder).checkTrust();
    return true;
  } catch (error) {
    if (!signer || !CacheError.is(error, 'Untrusted')) throw error;
    return false;
  }
}

function folderOf(engineId: string): string {
  return path.posix.dirname(entryName({ key: ANY_KEY, engineId }));
}
