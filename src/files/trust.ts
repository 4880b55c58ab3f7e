import fs from 'node:fs';
import path from 'node:path';

// Captured: see steps.ts.
const { lstatSync, readlinkSync } = fs;
const { geteuid, getegid } = process;

const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_ANYBODY = 0o002;
const STICKY = 0o1000;
const ROOT = 0;
/** Linux has the same limit. */
const MAX_LINKS = 40;
const CHOOSE_ANOTHER = 'Choose another folder with WASM_CACHE_DIR.';

/**
 * Where a path leads:
 *
 * - `reached`: the folder exists, and nobody else can replace it. This path has no links.
 * - `missing`: the first folder that does not exist yet. Those above it are trusted, so it can be created.
 * - `untrusted`: the reason, and what to do about it.
 */
export type Walk = { reached: string } | { missing: string } | { untrusted: string };

/**
 * Follows a path from the root, as the system does. It checks each folder and link before it goes on, so a checked one stays as it is:
 * to replace it, somebody else would have to write to a folder that is closed to them. Root is trusted. On Windows nothing is checked,
 * because a user's profile folder has its own access list.
 *
 * @param directory - an absolute path
 * @throws the error of the file system, also for a broken link.
 */
export function walk(directory: string): Walk {
  const { root } = path.parse(directory);
  const names = ['', ...namesIn(directory.slice(root.length))];
  let current = root;
  let links = 0;
  // How many of the next names come from the target of a link.
  let namesOfLink = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift(), namesOfLink--) {
    if (name === '..') {
      current = path.dirname(current);
      continue;
    }
    const next = path.join(current, name);
    const stats = lstatSync(next, { throwIfNoEntry: false });
    if (!stats) {
      if (namesOfLink <= 0) return { missing: next };
      throw failure('ENOENT', `a link leads to ${next}, which does not exist`);
    }
    const isLink = stats.isSymbolicLink();
    const isItself = names.length === 0;
    const reason = whyForeign(stats, CHOOSE_ANOTHER) ?? (isLink ? undefined : whyOpen(stats, next, isItself));
    if (reason !== undefined) return { untrusted: `${subject(next, directory, isItself)} ${reason}` };
    if (!isLink) {
      current = next;
      continue;
    }
    if (++links > MAX_LINKS) throw failure('ELOOP', `it leads through more than ${MAX_LINKS} symbolic links`);
    const target = readlinkSync(next);
    if (path.isAbsolute(target)) current = path.parse(target).root;
    const added = namesIn(target);
    names.unshift(...added);
    namesOfLink = Math.max(namesOfLink, 1) + added.length;
  }
  return { reached: current };
}

/** Why an open folder may not be used; `undefined` if it may. */
export function whyUntrustedFolder(stats: fs.Stats, folder: string): string | undefined {
  const reason = whyForeign(stats, `Remove it: rm -r ${quoted(folder)}`) ?? whyOpen(stats, folder, true);
  return reason && `The folder ${folder} ${reason}`;
}

/** Why the content of an open file may not be used; `undefined` if it may. Others may have access to a second name of it. */
export function whyUntrustedFile(stats: fs.Stats, file: string): string | undefined {
  const remove = `Remove it: rm ${quoted(file)}`;
  let reason = whyForeign(stats, remove);
  const others = othersWhoMayWrite(stats, true);
  if (!reason && others) reason = `can be written by ${others} (mode ${modeOf(stats)}). ${remove}`;
  // It has no name if it was replaced meanwhile.
  if (!reason && geteuid && stats.nlink > 1) reason = `has ${stats.nlink} names (hard links). ${remove}`;
  return reason && `The file ${file} ${reason}`;
}

/** A path quoted for a shell. */
export function quoted(file: string): string {
  return /^[\w./+@:-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
}

function namesIn(relative: string): string[] {
  return relative.split(path.sep).filter((name) => name !== '' && name !== '.');
}

function whyForeign({ uid }: fs.Stats, advice: string): string | undefined {
  if (geteuid === undefined || uid === ROOT || uid === geteuid()) return undefined;
  return `belongs to user ${uid}, not to user ${geteuid()} who runs this process. ${advice}`;
}

function whyOpen(stats: fs.Stats, folder: string, isItself: boolean): string | undefined {
  const others = othersWhoMayWrite(stats, isItself);
  if (!others) return undefined;
  const command = isItself ? `chmod 700 ${quoted(folder)}` : `chmod go-w ${quoted(folder)}`;
  return `can be written by ${others} (mode ${modeOf(stats)}). Make it private: ${command}`;
}

function othersWhoMayWrite({ mode, gid }: fs.Stats, isItself: boolean): string | undefined {
  // In a sticky folder such as /tmp, others can create entries, but not replace those of somebody else.
  if (geteuid === undefined || (!isItself && (mode & STICKY) !== 0)) return undefined;
  if ((mode & WRITABLE_BY_ANYBODY) !== 0) return 'others';
  if ((mode & WRITABLE_BY_GROUP) === 0) return undefined;
  // If each user has a private group with the user's number, many folders are open to that group.
  const isPrivateGroup = gid === getegid?.() && gid === geteuid();
  return isItself || !isPrivateGroup ? `group ${gid}` : undefined;
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

function modeOf({ mode }: fs.Stats): string {
  return (mode & 0o7777).toString(8);
}

function subject(current: string, directory: string, isItself: boolean): string {
  return isItself && current === directory
    ? `The cache folder ${directory}`
    : `${current}, on the way to the cache folder ${directory},`;
}
