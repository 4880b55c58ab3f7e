import fs from 'node:fs';
import path from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UsageError } from '../exit-codes.js';

/**
 * Finds the .wasm files that the user means, each once. A name is a file, a folder, a pattern, or a package in `node_modules`. Links in
 * folders are not followed.
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
      `There is no file, folder or package ${given}: give a path, a pattern in quotes, or the name of a package in a node_modules folder ` +
        'here or above',
    );
  }
  // The package may hold its module compressed, or as a string in a script.
  return oneAtLeast(
    wasmFilesBelow(folder),
    `There is no .wasm file in the package ${given}: train a program that uses it, with wasm-cache train -- <command>`,
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

/** The folder where Node would find the package. Package managers may put a link there, which is followed. */
function packageFolder(name: string): string | undefined {
  if (!/^(@[\w.~-]+\/)?[\w.~-]+$/.test(name) || /^\.+$/.test(name)) return undefined;
  for (let folder = process.cwd(); ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (fs.statSync(candidate, { throwIfNoEntry: false })?.isDirectory()) return fs.realpathSync(candidate);
    if (folder === path.dirname(folder)) return undefined;
  }
}
