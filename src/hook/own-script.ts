import path from 'node:path';
import { readBoundedSync } from '../files/file.js';
import { packageRoot } from '../package-root.js';
import { early } from './early.js';

/** Bytes. The largest has 75,000. */
const MAX_SIZE = 2 ** 20;

/** A script of dist/ that is evaluated, and not imported. */
export interface OwnScript {
  readonly file: string;
  readonly source: string;
}

/**
 * Reads a script of this package and this build. Where the hook is in somebody's bundle, or the package was replaced while the process runs,
 * another file may have the name.
 *
 * @throws when it is not there, or is another one
 */
export function readOwnScript(name: string): OwnScript {
  const file = path.join(packageRoot, 'dist', name);
  const source = Buffer.from(readBoundedSync(file, MAX_SIZE)).toString('latin1');
  if (!source.startsWith(`/* wasm-module-cache ${early.build}`)) throw new Error(`${file} is not of this build`);
  return { file, source };
}
