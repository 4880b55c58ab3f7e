import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/**
 * Mounts a file system on a new folder while `use` runs.
 *
 * @param make - mounts a file system on the given folder, and throws if that is not possible
 * @returns `false` if nothing could be mounted; then `use` did not run
 */
export async function withDisk(
  folder: string,
  make: (folder: string) => void,
  use: (folder: string) => void | Promise<void>,
): Promise<boolean> {
  fs.mkdirSync(folder, { recursive: true });
  try {
    make(folder);
  } catch {
    return false;
  }
  const unmount = () => execFileSync('umount', ['--lazy', folder]);
  // Also if a signal ends the process, and before the folder's owner removes it.
  process.prependOnceListener('exit', unmount);
  try {
    await use(folder);
  } finally {
    process.off('exit', unmount);
    unmount();
  }
  return true;
}

/** A file system in memory. */
export function tmpfs(options: string): (folder: string) => void {
  return (folder) => run('mount', '-t', 'tmpfs', '-o', `mode=700,${options}`, 'tmpfs', folder);
}

/** A real file system that ignores case, if the kernel has one. */
export function caseInsensitive(folder: string): void {
  try {
    tmpfs('casefold')(folder);
  } catch {
    const image = `${folder}.img`;
    fs.writeFileSync(image, '');
    fs.truncateSync(image, 8 * 2 ** 20);
    run('mkfs.ext4', '-q', '-O', 'casefold', image);
    run('mount', '-o', 'loop', image, folder);
  }
  try {
    fs.rmSync(path.join(folder, 'lost+found'), { recursive: true, force: true }); // only an empty folder can be made to ignore case
    run('chattr', '+F', folder);
  } catch (error) {
    run('umount', folder);
    throw error;
  }
}

/** Fills a disk with one file until at most so many bytes are free, rounded to pages. */
export function fillUp(disk: string, free: number): void {
  const ballast = path.join(disk, 'ballast');
  fs.rmSync(ballast, { force: true });
  fs.writeFileSync(ballast, '');
  const { bavail, bsize } = fs.statfsSync(disk);
  fs.writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail - Math.min(bavail, Math.floor(free / bsize))) * bsize));
}

/** Fills a disk with empty files until it has room for only so many more. */
export function useUpFiles(disk: string, free: number): void {
  const ballast = path.join(disk, 'empty-files');
  fs.rmSync(ballast, { recursive: true, force: true });
  fs.mkdirSync(ballast);
  for (let more = fs.statfsSync(disk).ffree - free; more > 0; more--) {
    fs.writeFileSync(path.join(ballast, String(more)), '');
  }
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'ignore' });
}
