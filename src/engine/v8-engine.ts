import fs from 'node:fs';
import { CacheError } from '../cache-error.js';
import type { Engine } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import type { Addon, ModuleAnalysis } from '../native/addon.js';
import { sha256 } from '../native/digest.js';
import { deserializeByNativesSyntax } from './natives-syntax.js';
import { isAnyGiven, isGiven } from './process-options.js';
import { isTestedV8, openAddon, openUntriedAddon, whyNeverSupported } from './supported.js';
import { trapHandlerIsOn } from './trap-handler.js';
import { knownV8 } from './v8-versions.js';

// Captured: programs replace globals, and the hook replaces these on purpose.
const { Module, compile } = globalThis.WebAssembly ?? {};
const { versions, version, platform, arch, execPath } = process;
const { statSync } = fs;

/** Options with which somebody looks at the code that runs, or with which V8's intrinsics are allowed already. */
const OBSERVED = /^(inspect|cpu-prof|prof|perf|allow-natives)/;

/** Wire bytes that wait for their native code; see {@link V8Engine.receive}. */
export interface Received {
  /** SHA-256 of the wire bytes. */
  readonly key: ModuleHash;
  /** As `Engine.deserialize`. To be called once. */
  finish(nativeCode: Uint8Array): WebAssembly.Module;
  /** Instead of `finish`, when there is no native code for this key. */
  abandon(): void;
}

interface Doors {
  addon: Addon;
  deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module | undefined;
}

const NO_TRAP_HANDLER = "V8's WebAssembly trap handler is off, or it is not certain that it is on";

let doors: Doors | { unsupportedReason: string } | undefined;
let staticId: string | undefined;

/** The deterministic id at the time when a module was compiled or restored here. V8's flags may have changed since. */
const madeUnder = new WeakMap<WebAssembly.Module, string>();

/**
 * V8 in this process. All instances share what is known about the process.
 *
 * Where `canSerialize` is false, `serialize` and `wireBytes` throw a `CacheError` of kind `Serialize`, and `deserialize` throws one of kind
 * `Deserialize`. Compiling works wherever there is WebAssembly. A module cannot be serialised either when V8's flags have changed since it was
 * compiled.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { V8Engine } from 'wasm-module-cache';
 *
 * const engine = new V8Engine();
 * const module = await engine.compile(await readFile('plugin.wasm'));
 * console.log(engine.canSerialize, engine.unsupportedReason); // true undefined
 * console.log(engine.serialize(module) ?? 'nothing is optimised yet'); // nothing is optimised yet
 * ```
 */
export class V8Engine implements Engine {
  get canSerialize(): boolean {
    return 'addon' in openDoors();
  }

  get unsupportedReason(): string | undefined {
    const opened = openDoors();
    return 'addon' in opened ? undefined : opened.unsupportedReason;
  }

  /**
   * The versions of Node and V8, the platform, the architecture, the size of the node binary (builds of one version differ), whether the trap
   * handler is on, and V8's version tag, which covers its flags and the CPU's features. The last two are left out where `canSerialize` is
   * false.
   */
  get deterministicId(): string {
    const opened = openDoors();
    return 'addon' in opened ? idWith(opened.addon) : `${staticPart()}_unsupported`;
  }

  async compile(wireBytes: Uint8Array): Promise<WebAssembly.Module> {
    const id = this.deterministicId;
    const module = await compile(wireBytes as BufferSource);
    madeUnder.set(module, id);
    return module;
  }

  compileSync(wireBytes: Uint8Array): WebAssembly.Module {
    const module = new Module(wireBytes as BufferSource);
    madeUnder.set(module, this.deterministicId);
    return module;
  }

  serialize(module: WebAssembly.Module): Uint8Array | undefined {
    const { addon } = need('Serialize');
    const id = madeUnder.get(module);
    if (id !== undefined && id !== this.deterministicId) {
      throw new CacheError('Serialize', "V8's flags have changed since this module was compiled");
    }
    return addon.withSteadyFlags(() => addon.serialize(module));
  }

  /**
   * @internal As {@link serialize}, but every function that ran is marked as executed. The result is only for reading the marks.
   *
   * V8 marks a function when its tiering budget differs from the initial one. When V8 starts to optimise a function, it gives it the initial
   * budget again, so `serialize` does not mark functions that V8 is still optimising when the program ends. Here another budget is the
   * initial one while V8 serialises.
   */
  observe(module: WebAssembly.Module): Uint8Array | undefined {
    const { addon } = need('Serialize');
    const budget = knownV8()?.tieringBudget;
    if (budget === undefined || isGiven('wasm-tiering-budget')) return addon.serialize(module);
    const [set, reset] = [budget - 1, budget].map((each) => `--wasm-tiering-budget=${each}`) as [string, string];
    return addon.changeFlag(set, reset, () => addon.serialize(module));
  }

  /**
   * @internal Drops the restored code of the module once this process has used so many milliseconds of CPU time from now on, so that V8
   * optimises it anew. Once for each module, for all threads.
   *
   * @returns whether that will happen: not where V8 would not make better code, and not while somebody debugs or profiles the program
   */
  retierAfter(module: WebAssembly.Module, cpuTime: number): boolean {
    if (!knownV8()?.inlines || isAnyGiven(OBSERVED)) return false;
    return need('Deserialize').addon.retierAfter?.(module, cpuTime) ?? false;
  }

  /** @internal Whether the restored code of the module was dropped. */
  isRetiered(module: WebAssembly.Module): boolean {
    return (need('Serialize').addon.retierings?.(module) ?? 0) > 0;
  }

  /** @internal The addon where its thread can restore modules, and nobody debugs or profiles the program. */
  get preloader(): Addon | undefined {
    if (knownV8()?.loadsBy !== 'WasmModuleCompilation' || isAnyGiven(OBSERVED)) return undefined;
    return need('Deserialize').addon;
  }

  /** @internal A module that a thread restored before anybody asked for it, and the header of its artifact. */
  takePreloaded(wireBytes: Uint8Array): { module: WebAssembly.Module; header: Uint8Array } | undefined {
    const [module, header] = this.preloader?.takePreloaded?.(ordinary(wireBytes)) ?? [];
    if (!module || !header) return undefined;
    madeUnder.set(module, this.deterministicId);
    return { module, header };
  }

  deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module {
    return this.#restored(need('Deserialize').deserialize(nativeCode, ordinary(wireBytes)), nativeCode);
  }

  /**
   * @internal Loads a module in two steps, when its key is not known yet. Another thread computes the hash while V8 makes its first copy of the
   * wire bytes; each takes 13 ms for 18 MB (Node 26). Where V8 makes only one copy, together with the native code, this only
   * computes the hash.
   *
   * @param wireBytes - must not change before `finish`
   */
  receive(wireBytes: Uint8Array): Received {
    const { addon, deserialize } = need('Deserialize');
    const received = addon.canDeserialize ? addon.receive(wireBytes) : undefined;
    if (!received) {
      return {
        key: sha256(wireBytes),
        finish: (nativeCode) => this.#restored(deserialize(nativeCode, wireBytes), nativeCode),
        abandon() {},
      };
    }
    const [digest, restoring] = received;
    return {
      key: ModuleHash.fromBytes(digest),
      finish: (nativeCode) => {
        const module = addon.withSteadyFlags(() => addon.finish(restoring, nativeCode));
        return this.#restored(module, nativeCode);
      },
      abandon: () => addon.abort(restoring),
    };
  }

  #restored(module: WebAssembly.Module | undefined, nativeCode: Uint8Array): WebAssembly.Module {
    if (!module) throw new CacheError('Deserialize', `V8 refused ${nativeCode.length} bytes of native code`);
    madeUnder.set(module, this.deterministicId);
    return module;
  }

  wireBytes(module: WebAssembly.Module): Uint8Array {
    return need('Serialize').addon.wireBytes(module);
  }

  /**
   * @internal Starts to read the wire bytes in another thread. The module stays in memory until `keyOf` is called or the analysis is used.
   */
  analyse(module: WebAssembly.Module): ModuleAnalysis {
    return need('Serialize').addon.startAnalysis(module);
  }

  /** @internal The SHA-256 that the other thread computed. `undefined` where the addon cannot hash. */
  keyOf(analysis: ModuleAnalysis): ModuleHash | undefined {
    const digest = need('Serialize').addon.joinAnalysis(analysis);
    return digest && ModuleHash.fromBytes(digest);
  }

  /** @internal Whether the module was compiled from exactly these bytes. Compares without a copy or a hash. */
  hasWireBytes(module: WebAssembly.Module, wireBytes: Uint8Array): boolean {
    return need('Serialize').addon.hasWireBytes(module, wireBytes);
  }

  /** @internal Another `WebAssembly.Module` over the same native code, as posting the module to this thread would give. */
  clone(module: WebAssembly.Module): WebAssembly.Module | undefined {
    return need('Serialize').addon.clone(module);
  }
}

/**
 * @internal The deterministic id that a V8 that was never tried has when it is usable, or why it cannot be usable. Calls none of V8's
 * doors.
 */
export function untriedEngine(): { id: string } | { id?: undefined; reason: string } {
  const opened = openUntriedAddon();
  if (!opened.addon) return { reason: opened.unsupportedReason };
  return trapHandlerIsOn(opened.addon) ? { id: idWith(opened.addon) } : { reason: NO_TRAP_HANDLER };
}

function idWith(addon: Addon): string {
  return `${staticPart()}_trap_tag-${addon.versionTag().toString(16).padStart(8, '0')}`;
}

function staticPart(): string {
  staticId ??= [`node-${version}`, `v8-${versions.v8}`, `${platform}-${arch}`, `bin-${binarySize()}`].join('_');
  return staticId;
}

function need(kind: 'Serialize' | 'Deserialize'): Doors {
  const opened = openDoors();
  if ('addon' in opened) return opened;
  throw new CacheError(kind, `Native code is not supported here: ${opened.unsupportedReason}`);
}

function openDoors(): Doors | { unsupportedReason: string } {
  if (doors) return doors;
  const opened = tryDoors();
  // A verdict on a V8 that is not tested may come later.
  if (isTestedV8() || whyNeverSupported() === undefined) doors = opened;
  return opened;
}

function tryDoors(): Doors | { unsupportedReason: string } {
  const opened = openAddon();
  if (!opened.addon) return opened;
  const { addon } = opened;
  if (!trapHandlerIsOn(addon)) {
    return { unsupportedReason: NO_TRAP_HANDLER };
  }
  // A V8 that is not in the table has only one of the two.
  const loadsBy = knownV8()?.loadsBy ?? (addon.canDeserialize ? 'WasmModuleCompilation' : '%DeserializeWasmModule');
  if (loadsBy === 'WasmModuleCompilation') {
    if (!addon.canDeserialize) return { unsupportedReason: `this node binary does not export v8::${loadsBy}` };
    const deserialize = (nativeCode: Uint8Array, wireBytes: Uint8Array) =>
      addon.withSteadyFlags(() => addon.deserialize(nativeCode, wireBytes));
    return { addon, deserialize };
  }
  try {
    const deserialize = deserializeByNativesSyntax(addon);
    return { addon, deserialize: (nativeCode, wireBytes) => deserialize(exactBuffer(nativeCode), wireBytes) };
  } catch (cause) {
    return { unsupportedReason: `V8's deserialiser cannot be reached (${String(cause)})` };
  }
}

function binarySize(): number | string {
  try {
    return statSync(execPath).size;
  } catch {
    return 'unknown';
  }
}

/** V8 takes the whole buffer behind a view as the native code, and one byte too many crashes it. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer } = bytes;
  if (isOrdinary(buffer) && buffer.byteLength === bytes.byteLength) return buffer;
  return new Uint8Array(bytes).buffer;
}

/** V8 needs wire bytes that neither another thread nor a resize can change meanwhile. */
function ordinary(bytes: Uint8Array): Uint8Array {
  return isOrdinary(bytes.buffer) ? bytes : new Uint8Array(bytes);
}

function isOrdinary(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return buffer instanceof ArrayBuffer && !buffer.resizable;
}
