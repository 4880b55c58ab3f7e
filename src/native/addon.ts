import path from 'node:path';
import { packageRoot } from '../package-root.js';
import { libcOf } from './libc.js';

/** V8's copy of wire bytes that waits for native code. V8 lets go of it at `finish`, `abort` or garbage collection. */
type Restoring = { readonly restoring: unique symbol };

/** A thread that computes the SHA-256 of a module's wire bytes, and where its functions are. */
export type ModuleAnalysis = { readonly moduleAnalysis: unique symbol };

/** A table of live modules that all threads of the process see. */
export type SharedTable = { readonly sharedTable: unique symbol };

/** Lists of functions, and how many bytes of machine code the records hold. */
type Records = [
  starts: Uint32Array,
  optimised: Uint32Array,
  executed: Uint32Array,
  inlined: Uint32Array,
  codeSize: number,
];
type BadRecord = [offset: number, what: string];

/** Why a file was not opened: see trusted-files.ts. */
type RefusedFile = [reason: string, errno: number, path: string, owner: number, mode: number, group: number];

/** What native/addon.cc exports. */
export interface Addon {
  readonly canSerialize: boolean;
  readonly canDeserialize: boolean;
  readonly addressSpaceIsLimited: boolean;
  guardBytesBehind(memory: ArrayBuffer): number;
  serialize(module: WebAssembly.Module): Uint8Array | undefined;
  deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module | undefined;
  receive(wireBytes: Uint8Array): [sha256: Uint8Array, restoring: Restoring] | undefined;
  finish(restoring: Restoring, nativeCode: Uint8Array): WebAssembly.Module | undefined;
  abort(restoring: Restoring): void;
  wireBytes(module: WebAssembly.Module): Uint8Array;
  hasWireBytes(module: WebAssembly.Module, wireBytes: Uint8Array): boolean;
  clone(module: WebAssembly.Module): WebAssembly.Module | undefined;
  openShared(table: string): SharedTable;
  saveShared(
    table: SharedTable,
    name: string,
    module: WebAssembly.Module,
    maxModules: number,
    maxBytes: number,
  ): number;
  findShared(table: SharedTable, name: string, isUse: boolean): number;
  loadShared(table: SharedTable, name: string, id: number): WebAssembly.Module | undefined;
  keepUnsaved(module: WebAssembly.Module, details: string): number;
  letGoOfUnsaved(id: number): void;
  findUnsaved(id: number): WebAssembly.Module | undefined;
  takeUnsaved(): [module: WebAssembly.Module | undefined, details: string][];
  versionTag(): number;
  setFlag(flag: string): void;
  changeFlag<T>(set: string, reset: string, callback: () => T): T;
  withSteadyFlags<T>(callback: () => T): T;
  sha256(bytes: Uint8Array): Uint8Array | undefined;
  crc32(bytes: Uint8Array): number | undefined;
  hmacSha256(secret: Uint8Array, parts: readonly Uint8Array[]): Uint8Array | undefined;
  startInBackground(args: readonly string[], environment: readonly string[], waits: boolean, lock: number): void;
  becomeProgram(args: readonly string[], environment: readonly string[]): never;
  tryLock(descriptor: number): boolean;
  unlock(descriptor: number): void;
  watchLoad<T>(file: string, load: () => T): T;
  withOnlyBodies(
    wireBytes: Uint8Array | WebAssembly.Module,
    kept: Uint32Array | null | undefined,
    stub: Uint8Array,
    forCompiling: boolean,
    analysis: ModuleAnalysis | undefined,
  ): Uint8Array;
  setProcessSettings(text: string): void;
  processSettings(): string;
  readRecords(nativeCode: Uint8Array, at: number, declared: number, layout: Uint32Array): Records | BadRecord;
  startAnalysis(module: WebAssembly.Module): ModuleAnalysis;
  joinAnalysis(analysis: ModuleAnalysis): Uint8Array | undefined;
  /** Missing, like the two after it, where no thread can drop code. Drops the module's code after so much CPU time of the process, once. */
  retierAfter?(module: WebAssembly.Module, milliseconds: number): boolean;
  /** Drops it at once, in the addon's thread. */
  retier?(module: WebAssembly.Module): boolean;
  /** How often the module's code was dropped. */
  retierings?(module: WebAssembly.Module): number;
  /** Missing, like the three after it, where no thread can restore modules. Begins to restore those of the program's record. */
  startPreload?(
    directory: string,
    program: string,
    engineId: string,
    engineFolder: string,
    formatVersion: number,
    writes: boolean,
  ): void;
  /** The restored module with these wire bytes, and the header of its artifact. */
  takePreloaded?(wireBytes: Uint8Array): [module: WebAssembly.Module, header: Uint8Array] | undefined;
  keepForPreload?(directory: string, program: string, key: string, module: WebAssembly.Module): void;
  /** For tests. */
  isPreloadIdle?(): boolean;
  openTrusted(directory: string, names: readonly string[], flags: number, mode: number): number | RefusedFile;
  /** The header and the native code of an artifact, in one step; `undefined` for anything but a whole one in a trusted file. */
  readArtifact?(
    directory: string,
    engineFolder: string,
    engineId: string,
    formatVersion: number,
    key: string,
    wireLength: number,
    notesUse: boolean,
  ): [header: Buffer, nativeCode: Buffer] | undefined;
  readTrusted(directory: string, names: readonly string[], maxSize: number): Buffer | undefined;
  endAfter(seconds: number): void;
  yieldAfter(milliseconds: number): void;
}

// Captured: programs replace globals.
const { dlopen, execPath, getBuiltinModule, platform, arch, versions } = process;

/** The name of another runtime that looks like Node.js: its `process.versions` has versions of Node and V8, too. */
export const otherRuntime = ['bun', 'deno', 'electron'].flatMap((name) => {
  const version = versions[name];
  return version ? [`${name} ${version}`] : [];
})[0];

/** `file` is set if the addon was at its usual place, also if it says that this platform is not supported. */
type Loaded = { addon?: Addon; file?: string; error?: unknown };

let loaded: Loaded | undefined;

/** The addon, or why there is none. Loads it at the first call. */
export function loadAddon(): Loaded {
  loaded ??= tryLoad();
  return loaded;
}

function tryLoad(): Loaded {
  if (otherRuntime) return { error: new Error(`${otherRuntime} is not Node.js`) };
  // The place in the package and in a checkout comes first. node-gyp-build takes 6 ms to find the same file, dlopen 0.3 ms (Node 26,
  // 2-core machine), and every process that meets a large module pays that.
  try {
    const module = { exports: {} };
    const file = path.join(packageRoot, prebuilt());
    dlopen(module, file);
    return { file, ...usable(module.exports) };
  } catch {
    // Not there, or built in another place.
  }
  try {
    // In a bundle this is a folder of the program, which may have an addon of its own.
    const require = getBuiltinModule('node:module').createRequire(path.join(packageRoot, 'package.json'));
    if (!isOwnFolder(require))
      throw new Error('wasm-module-cache is in a bundle: tell the bundler that it is external');
    const nodeGypBuild = require('node-gyp-build') as (directory: string) => object;
    return usable(nodeGypBuild(packageRoot));
  } catch (error) {
    return { error };
  }
}

function isOwnFolder(require: NodeJS.Require): boolean {
  try {
    return require('./package.json').name === 'wasm-module-cache';
  } catch {
    return false;
  }
}

/** On a platform that is not supported the addon exports nothing but the reason. */
function usable(exports: object): Loaded {
  return 'unsupportedReason' in exports
    ? { error: new Error(String(exports.unsupportedReason)) }
    : { addon: exports as Addon };
}

/** The file that prebuildify makes. */
function prebuilt(): string {
  const libc = platform === 'linux' ? `.${libcOf(execPath)}` : '';
  return `prebuilds/${platform}-${arch}/wasm_module_cache${libc}.node`;
}
