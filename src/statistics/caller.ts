import path from 'node:path';
import { packageRoot } from '../package-root.js';
import { MAX_NAME } from './lines.js';

// Captured: programs patch these objects. (The globals themselves are captured by the bundle.)
const { captureStackTrace } = Error;
const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;
const { argv, env } = process;

/** Of these up to 11 are the hook's own, and some may be Node's. More take longer: 10 us for these, after the first time. */
const FRAMES = 16;
/** How ES modules are named on the stack. */
const FILE_URL = /^file:\/\/(?:\/(?=[a-z]:))?/i;
const OWN = path.join(packageRoot, 'dist').replaceAll('\\', '/');

/**
 * The package or file that calls the hook, see {@link nameOf}; where only Node's own code does, as for `import './a.wasm'`, that of the
 * program. '' where nothing is known. Never throws.
 */
export function nameOfCaller(): string {
  try {
    for (const site of callSites()) {
      const file = site.getFileName();
      if (typeof file === 'string' && isOfProgram(file)) return nameOf(file);
    }
    return argv[1] ? nameOf(argv[1]) : '';
  } catch {
    return ''; // The program broke something that this needs.
  }
}

/**
 * A file's package, else its own name with its folder's: nothing of where it lies, and no user's name, which is that of a home
 * folder.
 */
export function nameOf(file: string): string {
  const parts = file.replace(FILE_URL, '').split(/[\\/]/).filter(Boolean);
  const [first = '', second = ''] = parts.slice(parts.lastIndexOf('node_modules') + 1);
  if (parts.includes('node_modules')) return cleaned(first.startsWith('@') ? `${first}/${second}` : first);
  // /home/name/file, /Users/name/file, C:\Users\name\file
  const isInHome = parts.length <= (/^[a-z]:$/i.test(parts[0] ?? '') ? 4 : 3) || isHome(parts.slice(0, -1));
  return cleaned(parts.slice(isInHome ? -1 : -2).join('/'));
}

function isHome(parts: string[]): boolean {
  const home = env.HOME || env.USERPROFILE;
  return home !== undefined && home.split(/[\\/]/).filter(Boolean).join('/') === parts.join('/');
}

function cleaned(name: string): string {
  return name.replace(/[^\w.@/+-]/g, '_').slice(-MAX_NAME);
}

function isOfProgram(file: string): boolean {
  const plain = file.replace(FILE_URL, '');
  return path.isAbsolute(plain) && !plain.replaceAll('\\', '/').startsWith(`${OWN}/`);
}

/**
 * As objects, which takes less than V8's text, and does not read source maps. Programs change how stacks are made; whatever they
 * set is there again before any of their code runs.
 */
function callSites(): NodeJS.CallSite[] {
  // Node asks the global one for its method, which may be the program's.
  if (getOwnPropertyDescriptor(globalThis, 'Error')?.value !== Error) return [];
  const changed = Object.entries({ stackTraceLimit: FRAMES, prepareStackTrace: (_: Error, sites: unknown) => sites });
  const before = changed.map(([name]) => getOwnPropertyDescriptor(Error, name));
  try {
    const set = ([name, value]: [string, unknown]) =>
      defineProperty(Error, name, { value, configurable: true, writable: true });
    if (!changed.every(set)) return []; // --frozen-intrinsics
    const holder: { stack?: unknown } = {};
    captureStackTrace(holder, nameOfCaller);
    return Array.isArray(holder.stack) ? holder.stack : [];
  } finally {
    changed.forEach(([name], at) => {
      const descriptor = before[at];
      if (descriptor) defineProperty(Error, name, descriptor);
      else deleteProperty(Error, name);
    });
  }
}
