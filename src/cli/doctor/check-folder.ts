import fs from 'node:fs';
import path from 'node:path';
import { CacheError } from '../../cache-error.js';
import { CrashGuard } from '../../caches/crash-guard.js';
import { FileSystemCache } from '../../caches/file-system.js';
import { type FoundFile, inventory } from '../../caches/inventory.js';
import { spaceOf } from '../../files/write.js';
import { type Context, checkTrust } from '../context.js';
import { count, formatSize } from '../terminal/output.js';
import { type Finding, ok, problem, warning } from './finding.js';

/** Checks the cache folder. Makes and changes nothing. */
export async function checkFolder(context: Context): Promise<Finding[]> {
  const { directory } = context;
  const safety = checkSafety(context);
  if (safety.status === 'problem') return [safety];
  const found: FoundFile[] = [];
  for await (const file of inventory(directory)) found.push(file);
  return [safety, checkRights(context), checkSize(context, found), checkDisk(directory), ...checkFiles(found)];
}

function checkSafety(context: Context): Finding {
  const { directory, settings } = context;
  try {
    checkTrust(context);
  } catch (error) {
    if (!CacheError.is(error, 'Untrusted'))
      return problem('folder', (error as Error).message, 'name another folder with WASM_CACHE_DIR');
    return problem(
      'folder',
      error.message,
      'do what the message says, or set WASM_CACHE_SECRET so that artifacts are signed',
    );
  }
  if (!fs.existsSync(directory))
    return ok('folder', `${directory} does not exist yet; the first module that is stored makes it`);
  if (settings.secrets) return ok('folder', `${directory}: only artifacts that are signed with the secret are loaded`);
  return ok(
    'folder',
    `${directory}: nobody else may write to it (mode ${(fs.statSync(directory).mode & 0o777).toString(8)})`,
  );
}

function checkRights({ directory, settings }: Context): Finding {
  const existing = nearestFolder(directory);
  try {
    fs.accessSync(existing, fs.constants.W_OK | fs.constants.X_OK);
    return ok('rights', existing === directory ? 'it can be written to' : `it can be made in ${existing}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const message = `${existing} cannot be written to (${code})`;
    if (settings.mode === 'read-only') return ok('rights', `${message}, which WASM_CACHE_MODE=read-only does not need`);
    return problem(
      'rights',
      message,
      'give this user the right to, name another folder with WASM_CACHE_DIR, or set WASM_CACHE_MODE=read-only',
    );
  }
}

function checkSize({ directory, settings }: Context, found: FoundFile[]): Finding {
  const { maxSize, maxFiles } = new FileSystemCache(directory, { maxSize: settings.maxSize }).limits;
  const size = found.reduce((sum, file) => sum + file.size, 0);
  const artifacts = found.filter(({ kind }) => kind === 'artifact').length;
  const message = `${count(artifacts, 'artifact')} in ${count(found.length, 'file')}, ${formatSize(size)} of ${formatSize(maxSize)}`;
  if (size <= maxSize && found.length <= maxFiles) return ok('size', message);
  const advice =
    'nothing, because the next program sweeps the folder; or sweep it now, with wasm-cache prune --max-size <size>';
  return warning('size', `${message}: it is over its limits`, advice);
}

function checkDisk(directory: string): Finding {
  const existing = nearestFolder(directory);
  const { free, kept } = spaceOf(existing);
  const name = FILE_SYSTEMS[fs.statfsSync(existing).type];
  const message = `${name?.name ?? 'a disk'} with ${formatSize(free)} free`;
  if (free < kept) {
    const advice = 'make room, or name a folder on another disk with WASM_CACHE_DIR';
    return problem('disk', `${message}: nothing is stored when less than ${formatSize(kept)} would be left`, advice);
  }
  return name?.surprise ? warning('disk', `${message}: ${name.surprise}`, name.advice ?? '') : ok('disk', message);
}

const SLOW = {
  surprise: 'modules may take longer to load from there than to compile, and are bypassed then',
  advice: 'name a folder on a local disk with WASM_CACHE_DIR, and share artifacts with WASM_CACHE_REMOTE',
};
/** By their numbers in Linux. Other systems have other numbers. */
const FILE_SYSTEMS: Record<number, { name: string; surprise?: string; advice?: string }> = {
  61267: { name: 'ext4' },
  1481003842: { name: 'XFS' },
  2435016766: { name: 'Btrfs' },
  801189825: { name: 'ZFS' },
  16914836: {
    name: 'tmpfs',
    surprise: 'artifacts take memory there, and are gone after a restart',
    advice: 'name a folder on a disk with WASM_CACHE_DIR, unless that is what you want',
  },
  2035054128: {
    name: 'overlayfs',
    surprise: 'artifacts are gone with the container',
    advice: 'store artifacts in the image, mount a volume, or share them with WASM_CACHE_REMOTE (docs/fleet.md)',
  },
  26985: { name: 'NFS', ...SLOW },
  4283649346: { name: 'CIFS', ...SLOW },
  4266872130: { name: 'SMB', ...SLOW },
  1702057286: { name: 'FUSE', ...SLOW },
};

function checkFiles(found: FoundFile[]): Finding[] {
  const findings: Finding[] = [];
  const quarantined = found.filter(({ kind, file }) => {
    return kind === 'artifact' && new CrashGuard(file).quarantine() !== undefined;
  });
  if (quarantined.length > 0) {
    const message = `${count(quarantined.length, 'artifact')} in quarantine: a process ended while it loaded it`;
    const advice = 'see them with wasm-cache verify; they are loaded again after successful tries';
    findings.push(warning('quarantine', message, advice));
  }
  const future = found.filter(({ usedAt }) => usedAt - Date.now() > CLOCKS_DIFFER);
  if (future.length > 0) {
    const message = `${count(future.length, 'file')} with a time stamp in the future`;
    findings.push(warning('clock', message, 'check the clock of this machine, and of those that share the folder'));
  } else findings.push(ok('clock', 'no file has a time stamp in the future'));
  return findings;
}

/** Milliseconds. The clocks of machines often differ by less. */
const CLOCKS_DIFFER = 60_000;

function nearestFolder(directory: string): string {
  let folder = directory;
  while (!fs.existsSync(folder)) folder = path.dirname(folder);
  return folder;
}
