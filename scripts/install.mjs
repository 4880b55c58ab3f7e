// node scripts/install.mjs <folder>: packs this package as it would be published, and installs that in the folder as npm does by
// default nowadays, without install scripts. Prints the path of the tarball.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What `npm pack` says of the tarball that it made in that folder: its `filename`, `files`, sizes. */
export function pack(folder) {
  return JSON.parse(npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root))[0];
}

/** Makes that folder, with the tarball and what it depends on installed in it. */
export function install(tarball, folder) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  npm(
    ['install', tarball, '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
    folder,
  );
}

function npm(args, cwd) {
  const options = { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], shell: process.platform === 'win32' };
  return execFileSync('npm', args, options);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = path.resolve(process.argv[2]);
  mkdirSync(folder, { recursive: true });
  const tarball = path.join(folder, pack(folder).filename);
  install(tarball, folder);
  console.log(tarball);
}
