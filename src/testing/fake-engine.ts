import { CacheError } from '../cache-error.js';
import type { Engine } from '../module-cache.js';

/**
 * An engine for tests of caches, without V8's native code. Its "native code" is the text "native code of" and the engine's id. Its
 * modules are real: V8 compiles them from their wire bytes. It refuses modules that it did not make, and native code of
 * another id, with the errors that {@link Engine} names.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { FileSystemCache, loadModule } from 'wasm-module-cache';
 * import { FakeEngine } from 'wasm-module-cache/testing';
 *
 * const engine = new FakeEngine();
 * const options = { cache: new FileSystemCache('cache'), engine };
 * const wireBytes = await readFile('plugin.wasm');
 * await loadModule(wireBytes, options);
 * await loadModule(wireBytes, options);
 * console.log(engine.calls); // { compile: 1, serialize: 1, deserialize: 1 }
 * ```
 */
export class FakeEngine implements Engine {
  /** Set it, and `nativeCode` with it, to make this another engine. */
  deterministicId: string;
  /** The answer for caches; the methods here work either way. */
  canSerialize = true;
  unsupportedReason: string | undefined;
  /** The result of `serialize`. Set it to `undefined` for "nothing optimised yet", to more bytes for "optimised further". */
  nativeCode: Uint8Array | undefined;
  /** How often each method was called; `compile` counts `compileSync`, too. */
  readonly calls = { compile: 0, serialize: 0, deserialize: 0 };
  readonly #wireBytes = new WeakMap<WebAssembly.Module, Uint8Array>();

  /**
   * Engines of one id accept each other's native code.
   *
   * @param deterministicId - default `fake-engine-1`
   */
  constructor(deterministicId = 'fake-engine-1') {
    this.deterministicId = deterministicId;
    this.nativeCode = new TextEncoder().encode(`native code of ${deterministicId}`);
  }

  async compile(wireBytes: Uint8Array): Promise<WebAssembly.Module> {
    return this.compileSync(wireBytes);
  }

  compileSync(wireBytes: Uint8Array): WebAssembly.Module {
    this.calls.compile++;
    return this.#make(wireBytes);
  }

  serialize(module: WebAssembly.Module): Uint8Array | undefined {
    this.calls.serialize++;
    if (!this.#wireBytes.has(module)) throw new CacheError('Serialize', 'not a module of this engine');
    return this.nativeCode;
  }

  deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module {
    this.calls.deserialize++;
    const expected = new TextEncoder().encode(`native code of ${this.deterministicId}`);
    if (expected.some((byte, at) => nativeCode[at] !== byte)) {
      throw new CacheError('Deserialize', 'not native code of this engine');
    }
    return this.#make(wireBytes);
  }

  wireBytes(module: WebAssembly.Module): Uint8Array {
    const wireBytes = this.#wireBytes.get(module);
    if (!wireBytes) throw new CacheError('Serialize', 'not a module of this engine');
    return wireBytes.slice();
  }

  #make(wireBytes: Uint8Array): WebAssembly.Module {
    const copy = new Uint8Array(wireBytes);
    const module = new WebAssembly.Module(copy);
    this.#wireBytes.set(module, copy);
    return module;
  }
}
