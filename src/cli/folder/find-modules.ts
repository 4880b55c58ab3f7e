import fs from 'node:fs';
import path from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UsageError } from '../exit-codes.js';

/**
 * The .wasm files that somebody means, each once: a file, whatever its name; those below a folder; what a pattern matches; those of a package
 * in `node_modules`. Symbolic links below a folder are not followed.
 *
 * @throws {UsageError} when there are none.
 */
export async function findModules(given: string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const each of given) for (const file of await filesOf(each)) found.add(file);
  return [...found];
}

async function filesOf(given: string): Promise<string[]> {
  const stats = given === '' ? undefined : fs.statSync(given, { throwIfNoEntry: false });
  if (stats?.isFile()) return [path.resolve(given)];
  if (stats?.isDirectory()) {
    return oneAtLeast(wasmFilesBelow(path.resolve(given)), `There is no .wasm file in the folder ${given}`);
  }
  if (isDynamicPattern(given)) {
    const files = await glob(given, {
      absolute: true,
      dot: true,
      expandDirectories: false,
      followSymbolicLinks: false,
    });
    return oneAtLeast(files.map(path.normalize).sort(), `No file matches the pattern ${given}`);
  }
  const folder = packageFolder(given);
  if (folder === undefined) {
    throw new UsageError(
      `There is no file, no folder and no package ${given}: give a path, a pattern in quotes, or the name of what is in a node_modules ` +
        'folder here or above',
    );
  }
  // It may be in a form that is none on the disk: compressed, or in a string of a program.
  return oneAtLeast(
    wasmFilesBelow(folder),
    `There is no .wasm file in the package ${given}: let a program that uses it be run, with wasm-cache train -- <command>`,
  );
}

function oneAtLeast(files: string[], orElse: string): string[] {
  if (files.length > 0) return files;
  throw new UsageError(orElse);
}

function wasmFilesBelow(folder: string): string[] {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return file.endsWith(path.join('node_modules', '.bin')) ? [] : wasmFilesBelow(file);
      return entry.isFile() && entry.name.endsWith('.wasm') ? [file] : [];
    })
    .sort();
}

/** Where Node would find it from here. It may be a link into a store of packages, or to a folder of a workspace. */
function packageFolder(name: string): string | undefined {
  if (!/^(@[\w.~-]+\/)?[\w.~-]+$/.test(name) || /^\.+$/.test(name)) return undefined;
  for (let folder = process.cwd(); ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (fs.statSync(candidate, { throwIfNoEntry: false })?.isDirectory()) return fs.realpathSync(candidate);
    if (folder === path.dirname(folder)) return undefined;
  }
}
