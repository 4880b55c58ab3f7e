import util from 'node:util';
import { loadAddon } from './addon.js';

// Captured: programs patch builtins.
const { getSystemErrorName } = util;

/** Why a file or a folder is not trusted, or cannot be opened. */
export interface Refusal {
  /**
   * - `owner`: it belongs to somebody other than this user and root;
   * - `writable`: its mode lets others write;
   * - `symbolic link`: it is one, where none is followed;
   * - `not a file`: it is a pipe, a device, a socket or a folder;
   * - `hard links`: it has other names, too;
   * - `error`: the system says so; see `code`.
   */
  readonly reason: 'owner' | 'writable' | 'symbolic link' | 'not a file' | 'hard links' | 'error';
  /** Of an `error`, such as `ENOENT`. */
  readonly code: string | undefined;
  /** Of the component that was refused. Links on the way to the directory are resolved in it. */
  readonly path: string;
  readonly owner: number;
  readonly group: number;
  /** Permissions. */
  readonly mode: number;
}

/**
 * Opens a file whose whole path belongs to this user or root and is writable for nobody else. Each component is opened in the folder before it, and
 * checked on the open descriptor. Links on the way to the directory are followed as the system follows them; below it none is. A pipe or
 * a device neither blocks nor is opened.
 *
 * @param directory - an absolute path
 * @param names - of folders in it, and of the file in the last of them; without any, only the directory is checked, and the result is 0
 * @param flags - of `fs.constants`, without `O_TRUNC`
 * @param mode - of a file that is created
 * @returns the descriptor, for the caller to close; or `undefined` where the addon is not there
 */
export function openTrusted(
  directory: string,
  names: readonly string[],
  flags: number,
  mode = 0o600,
): number | Refusal | undefined {
  const opened = loadAddon().addon?.openTrusted(directory, names, flags, mode);
  if (opened === undefined || typeof opened === 'number') return opened;
  const [reason, errno, path, owner, permissions, group] = opened;
  const code = errno === 0 ? undefined : getSystemErrorName(-errno);
  return { reason: reason as Refusal['reason'], code, path, owner, group, mode: permissions };
}

/**
 * Reads a whole file that {@link openTrusted} would open.
 *
 * @param maxSize - in bytes
 * @returns `undefined` for any other file, an empty one and a larger one, and where the addon is not there
 */
export function readTrusted(directory: string, names: readonly string[], maxSize: number): Buffer | undefined {
  return loadAddon().addon?.readTrusted(directory, names, maxSize);
}
