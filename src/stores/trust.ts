import fs from 'node:fs';
import path from 'node:path';

// Captured: see file-system.ts.
const { lstatSync, readlinkSync } = fs;
const { geteuid, getegid } = process;

const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ANYBODY = 0o002;
const STICKY = 0o1000;
const ROOT = 0;
/** As Linux's own limit. */
const MAX_LINKS = 40;

/**
 * Why what is in a folder may not be trusted with machine code, and what to do about it; `undefined` when it may. Somebody else could
 * change a folder that they own or may write to, and swap one whose parents they own or may write to, or a symbolic link on the way.
 * Root is nobody else. What does not exist yet will be made private.
 *
 * @param directory - an absolute path
 * @throws what the file system throws.
 */
export function whyUntrusted(directory: string): string | undefined {
  // Windows: the user's profile folder has an access list of its own.
  return geteuid === undefined ? undefined : check(directory, geteuid(), MAX_LINKS);
}

function check(directory: string, user: number, linksLeft: number): string | undefined {
  const { root } = path.parse(directory);
  const names = directory.slice(root.length).split(path.sep).filter(Boolean);
  let current = root;
  for (let index = -1; index < names.length; index++) {
    if (index >= 0) current = path.join(current, names[index] as string);
    const stats = lstatSync(current, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    if (stats.uid !== user && stats.uid !== ROOT) {
      return (
        `${describe(current, directory)} belongs to user ${stats.uid}, not to user ${user} who runs this process. ` +
        'Choose another folder with WASM_CACHE_DIR.'
      );
    }
    if (stats.isSymbolicLink()) {
      if (linksLeft === 0) return `${directory} leads through more than ${MAX_LINKS} symbolic links.`;
      const target = path.resolve(path.dirname(current), readlinkSync(current), ...names.slice(index + 1));
      return check(target, user, linksLeft - 1);
    }
    const others = othersWhoMayWrite(stats, current === directory);
    if (others) {
      const mode = (stats.mode & 0o7777).toString(8);
      return `${describe(current, directory)} may be written to by ${others} (mode ${mode}). Make it private: chmod 700, or chmod go-w.`;
    }
  }
  return undefined;
}

function othersWhoMayWrite({ mode, gid }: fs.Stats, isItself: boolean): string | undefined {
  // In a sticky folder, as /tmp, others can make entries, but not replace one of somebody else.
  if (!isItself && (mode & STICKY) !== 0) return undefined;
  if ((mode & WRITABLE_BY_ANYBODY) !== 0) return 'others';
  if ((mode & WRITABLE_BY_GROUP) === 0) return undefined;
  // Where each user has a group of their own, which then has the user's number, many folders are left open to it.
  const isPrivateGroup = gid === getegid?.() && gid === geteuid?.();
  return isItself || !isPrivateGroup ? `group ${gid}` : undefined;
}

function describe(current: string, directory: string): string {
  return current === directory
    ? `The cache folder ${directory}`
    : `${current}, on the way to the cache folder ${directory},`;
}
