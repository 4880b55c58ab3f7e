import path from 'node:path';
import type { Signer } from '../artifact/signature.js';
import type { ArtifactStore } from '../artifact-store.js';
import { CacheError } from '../cache-error.js';
import { CrashGuard, type Suspect } from '../caches/crash-guard.js';
import { FileSystemCache } from '../caches/file-system.js';
import { FileSystemStore } from '../stores/file-system.js';

/** Where artifacts come from or go to, and how those there are trusted. */
export interface Place {
  store: ArtifactStore;
  /** The secrets of the artifacts there. */
  signer: Signer | undefined;
  /** Nobody else can write there, so that an artifact without a signature is trusted, too. */
  isPrivate: boolean;
  /** Whether a `FileSystemCache` reads what is there, which knows nothing of packed artifacts. */
  isFolder: boolean;
  /** What the crash guard knows of an artifact there. */
  suspect(name: string): Suspect | undefined;
}

/**
 * @param option - its name, for errors
 * @param signer - of the bundle
 * @throws {TypeError} when it is not a place.
 * @throws {CacheError} kind `Untrusted` when it is a folder that others may write to, and nothing is signed.
 */
export function placeOf(
  option: string,
  place: string | FileSystemCache | ArtifactStore,
  signer: Signer | undefined,
): Place {
  if (typeof place === 'string' && place !== '') return folder(place, signer);
  // A cache without a secret has a private folder, in which nobody looks at signatures.
  if (place instanceof FileSystemCache) return folder(place.directory, place.signer);
  if (typeof place === 'object' && typeof place?.get === 'function' && typeof place.put === 'function') {
    return { store: place, signer, isPrivate: false, isFolder: false, suspect: () => undefined };
  }
  throw new TypeError(`The option ${option} must be the path of a folder, a FileSystemCache or an ArtifactStore`);
}

function folder(directory: string, signer: Signer | undefined): Place {
  const suspect = (name: string) => new CrashGuard(path.join(path.resolve(directory), name)).suspect();
  try {
    const store = new FileSystemStore(directory);
    store.checkTrust();
    return { store, signer, isPrivate: true, isFolder: true, suspect };
  } catch (error) {
    if (!signer || !CacheError.is(error, 'Untrusted')) throw error;
    const store = new FileSystemStore(directory, { isShared: true });
    return { store, signer, isPrivate: false, isFolder: true, suspect };
  }
}
