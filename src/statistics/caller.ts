import path from 'node:path';
import url from 'node:url';
import { packageRoot } from '../package-root.js';
import { MAX_NAME } from './lines.js';

// Captured: programs patch these objects. (The globals themselves are captured by the bundle.)
const { captureStackTrace } = Error;
const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;
const { argv, env } = process;
const { pathToFileURL } = url;

// Most processes run this code once, where each regular expression takes 50 us, so it does few and simple steps.

/** Up to 11 of these frames are the hook's own, and some may be Node's. More frames take longer. */
const FRAMES = 16;
const NODE = 'node:';
const FILE_URL = 'file://';
const OWN = path.join(packageRoot, 'dist', path.sep);
const PACKAGES = '/node_modules/';

/**
 * The package or file that calls the hook; see {@link nameOf}. If only Node's own code calls, as for `import './a.wasm'`, the name of
 * the program. '' if nothing is known. Takes 0.2 ms the first time, then 15 us. Never throws.
 */
export function nameOfCaller(): string {
  try {
    for (const site of callSites()) {
      const file = site.getFileName();
      if (typeof file === 'string' && isOfProgram(file)) return nameOf(file);
    }
    return argv[1] ? nameOf(argv[1]) : '';
  } catch {
    return ''; // The program broke a function that this needs.
  }
}

/**
 * The package of a file, or its name with the folder that it is in. Never more of its path, and never the name of a home folder, which
 * is that of a user.
 */
export function nameOf(file: string): string {
  let rest = file.includes('\\') ? file.replaceAll('\\', '/') : file;
  if (rest.startsWith(FILE_URL)) rest = rest.slice(FILE_URL.length);
  const inPackage = rest.lastIndexOf(PACKAGES);
  const parts = (inPackage < 0 ? rest : rest.slice(inPackage + PACKAGES.length)).split('/');
  if (inPackage >= 0) return cleaned(parts[0]?.startsWith('@') ? `${parts[0]}/${parts[1] ?? ''}` : (parts[0] ?? ''));
  const name = parts.pop() ?? '';
  return cleaned(isHome(parts) ? name : `${parts.pop() ?? ''}/${name}`);
}

/** Whether this is a home folder: /home/name, /Users/name, C:/Users/name, /root, or this user's. */
function isHome(folders: string[]): boolean {
  if (folders.filter((each) => each !== '' && !each.endsWith(':')).length <= 2) return true;
  const home = env.HOME || env.USERPROFILE;
  if (home === undefined) return false;
  const ofHome = home.replaceAll('\\', '/').split('/');
  return ofHome.filter(Boolean).join('/') === folders.filter(Boolean).join('/');
}

function cleaned(name: string): string {
  return name.replace(/[^\w.@/+-]/g, '_').slice(-MAX_NAME);
}

/** Whether this is a file of the program. Sources of `eval`, of a worker and of WebAssembly have no path. */
function isOfProgram(file: string): boolean {
  if (!file.includes('/') && !file.includes('\\')) return false;
  return !file.startsWith(NODE) && !file.startsWith(file.startsWith(FILE_URL) ? ownUrl() : OWN);
}

let ownFolder: string | undefined;

/** How this package's ES modules begin in stacks; all other files have paths there. */
function ownUrl(): string {
  ownFolder ??= pathToFileURL(OWN).href;
  return ownFolder;
}

/**
 * The stack as objects, which is faster than V8's text and does not read source maps. Programs may change how stacks are made; their
 * settings are restored before any of their code runs.
 */
function callSites(): NodeJS.CallSite[] {
  // Node calls a method of the global Error, which may be the program's.
  if (getOwnPropertyDescriptor(globalThis, 'Error')?.value !== Error) return [];
  const limit = getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  const prepare = getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  try {
    if (!set('stackTraceLimit', FRAMES) || !set('prepareStackTrace', givenSites)) return []; // --frozen-intrinsics
    const holder: { stack?: unknown } = {};
    captureStackTrace(holder, nameOfCaller);
    return Array.isArray(holder.stack) ? holder.stack : [];
  } finally {
    reset('stackTraceLimit', limit);
    reset('prepareStackTrace', prepare);
  }
}

function givenSites(_: Error, sites: NodeJS.CallSite[]): NodeJS.CallSite[] {
  return sites;
}

function set(name: string, value: unknown): boolean {
  return defineProperty(Error, name, { value, configurable: true, writable: true });
}

function reset(name: string, descriptor: PropertyDescriptor | undefined): void {
  if (descriptor) defineProperty(Error, name, descriptor);
  else deleteProperty(Error, name);
}
