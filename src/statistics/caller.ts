import { MAX_NAME } from './lines.js';

// Captured: programs patch these objects. (The globals themselves are captured by the bundle.)
const { captureStackTrace } = Error;
const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;
const { argv, env } = process;

// Few and simple steps: all of this is run once in most processes, where each regular expression takes 50 us.

/** Of these up to 11 are the hook's own, and some may be Node's. More take longer. */
const FRAMES = 16;
/** As the stack has them: files of this package, which are ES modules, and those of Node itself. */
const OWN = import.meta.url.slice(0, import.meta.url.lastIndexOf('/dist/') + '/dist/'.length);
const NODE = 'node:';
const FILE_URL = 'file://';
const PACKAGES = '/node_modules/';

/**
 * The package or file that calls the hook, see {@link nameOf}; where only Node's own code does, as for `import './a.wasm'`, that of the
 * program. '' where nothing is known. Takes 0.2 ms the first time, then 15 us. Never throws.
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
  let rest = file.includes('\\') ? file.replaceAll('\\', '/') : file;
  if (rest.startsWith(FILE_URL)) rest = rest.slice(FILE_URL.length);
  const inPackage = rest.lastIndexOf(PACKAGES);
  const parts = (inPackage < 0 ? rest : rest.slice(inPackage + PACKAGES.length)).split('/');
  if (inPackage >= 0) return cleaned(parts[0]?.startsWith('@') ? `${parts[0]}/${parts[1] ?? ''}` : (parts[0] ?? ''));
  const name = parts.pop() ?? '';
  return cleaned(isHome(parts) ? name : `${parts.pop() ?? ''}/${name}`);
}

/** /home/name, /Users/name, C:/Users/name, /root, or where else this user's is. */
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

/** Not the source of `eval`, of a worker, or of WebAssembly, which has no path. */
function isOfProgram(file: string): boolean {
  return (file.includes('/') || file.includes('\\')) && !file.startsWith(OWN) && !file.startsWith(NODE);
}

/**
 * As objects, which takes less than V8's text, and does not read source maps. Programs change how stacks are made; whatever they
 * set is there again before any of their code runs.
 */
function callSites(): NodeJS.CallSite[] {
  // Node asks the global one for its method, which may be the program's.
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
