/**
 * Compiles modules, and turns them into native code and back. `V8Engine` is the real one. Write your own to test a strategy, or
 * to wrap the real one.
 *
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 * import { type Engine, inMemory, loadModule, V8Engine } from 'wasm-module-cache';
 *
 * class CountingEngine extends V8Engine implements Engine {
 *   compilations = 0;
 *
 *   override compile(wireBytes: Uint8Array): Promise<WebAssembly.Module> {
 *     this.compilations++;
 *     return super.compile(wireBytes);
 *   }
 * }
 *
 * const engine = new CountingEngine();
 * const options = { cache: inMemory(), engine };
 * const wireBytes = await readFile('plugin.wasm');
 * await loadModule(wireBytes, options);
 * await loadModule(wireBytes, options);
 * console.log(engine.compilations); // 1
 * ```
 */
export interface Engine {
  /**
   * Equal in two processes exactly when one can load the other's native code. Read it at every load and every save: it covers V8's
   * flags, which may change while the process runs.
   */
  readonly deterministicId: string;
  /** Whether `serialize` and `deserialize` work in this process. Everything in memory works either way. */
  readonly canSerialize: boolean;
  /** Why `canSerialize` is false. */
  readonly unsupportedReason?: string | undefined;
  /**
   * Compiles the wire bytes.
   *
   * @throws {WebAssembly.CompileError} when they are not a valid module.
   */
  compile(wireBytes: Uint8Array): Promise<WebAssembly.Module>;
  /**
   * The synchronous form of `compile`.
   *
   * @throws {WebAssembly.CompileError} when they are not a valid module.
   */
  compileSync(wireBytes: Uint8Array): WebAssembly.Module;
  /**
   * The optimised machine code of the module as it is now, or `undefined` when nothing is optimised yet.
   *
   * @throws {CacheError} kind `Serialize` when this engine cannot serialise it.
   */
  serialize(module: WebAssembly.Module): Uint8Array | undefined;
  /**
   * Restores a live module from the result of `serialize` and the wire bytes of the same module. The caller must have checked
   * both: engines trust them.
   *
   * @throws {CacheError} kind `Deserialize` when the native code is not for this engine.
   */
  deserialize(nativeCode: Uint8Array, wireBytes: Uint8Array): WebAssembly.Module;
  /**
   * A copy of the wire bytes that the module was compiled from.
   *
   * @throws {CacheError} kind `Serialize` when this engine does not know them.
   */
  wireBytes(module: WebAssembly.Module): Uint8Array;
}
