import { CacheError } from '../cache-error.js';
import type { Engine } from '../engine-interface.js';
import type { ModuleHash } from '../module-hash.js';
import { sha256 } from './digest.js';

/** A browser does not give wire bytes back, and a cache may want to save them. */
const wireBytesOf = new WeakMap<WebAssembly.Module, Uint8Array<ArrayBuffer>>();

/**
 * The browser in this thread. It compiles, and keeps native code to itself, in a code cache of its own: `serialize` and
 * `deserialize` throw, and so does `wireBytes` for a module that this class did not compile. All instances are equal.
 *
 * The wire bytes of a module that `compile` made are kept as long as the module lives. `loadModule` drops them when the
 * cache has the module.
 *
 * @example
 * ```ts
 * import { BrowserEngine } from 'wasm-module-cache/browser';
 *
 * const engine = new BrowserEngine();
 * const module = await engine.compile(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
 * console.log(engine.canSerialize, engine.wireBytes(module).length); // false 8
 * ```
 */
export class BrowserEngine implements Engine {
  readonly deterministicId: string = 'browser';
  readonly canSerialize: boolean = false;
  readonly unsupportedReason: string = 'a browser keeps native code to itself';

  async compile(wireBytes: Uint8Array): Promise<WebAssembly.Module> {
    const copy = new Uint8Array(wireBytes);
    return remember(await WebAssembly.compile(copy), copy);
  }

  /** In a page, browsers refuse to compile more than 8 MB synchronously. In a worker they compile any module. */
  compileSync(wireBytes: Uint8Array): WebAssembly.Module {
    const copy = new Uint8Array(wireBytes);
    return remember(new WebAssembly.Module(copy), copy);
  }

  serialize(_module: WebAssembly.Module): Uint8Array | undefined {
    throw new CacheError('Serialize', `Native code cannot be saved: ${this.unsupportedReason}`);
  }

  deserialize(_nativeCode: Uint8Array, _wireBytes: Uint8Array): WebAssembly.Module {
    throw new CacheError('Deserialize', `Native code cannot be loaded: ${this.unsupportedReason}`);
  }

  wireBytes(module: WebAssembly.Module): Uint8Array {
    const wireBytes = wireBytesOf.get(module);
    if (wireBytes) return wireBytes.slice();
    const message = 'The wire bytes of this module are not known: no BrowserEngine of this thread compiled it';
    throw new CacheError('Serialize', message);
  }

  /**
   * @internal Compiles a response while it arrives. The browser must get the response itself: only then does it look into its code
   * cache. This method reads a clone.
   *
   * @param onBytes - receives the number of bytes that have arrived
   */
  async receive(
    response: Response,
    onBytes: (bytes: number) => void,
  ): Promise<{ module: WebAssembly.Module; key: ModuleHash }> {
    const isWasm = response.headers.get('content-type')?.trim().toLowerCase() === 'application/wasm';
    const reading = readAll(isWasm ? response.clone() : response, onBytes);
    const compiling = isWasm ? WebAssembly.compileStreaming(response) : undefined;
    compiling?.catch(() => {}); // If reading fails first, nobody awaits this one.
    const wireBytes = await reading;
    const [module, key] = await Promise.all([compiling ?? WebAssembly.compile(wireBytes), sha256(wireBytes)]);
    return { module: remember(module, wireBytes), key };
  }

  /** @internal Drops the wire bytes of a module that no cache will save again. */
  static forget(module: WebAssembly.Module): void {
    wireBytesOf.delete(module);
  }
}

function remember(module: WebAssembly.Module, wireBytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  wireBytesOf.set(module, wireBytes);
  return module;
}

async function readAll(response: Response, onBytes: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  if (!response.body) throw new TypeError('The response has no body');
  const reader = response.body.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    chunks.push(chunk.value);
    length += chunk.value.length;
    onBytes(length);
  }
  const wireBytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    wireBytes.set(chunk, at);
    at += chunk.length;
  }
  return wireBytes;
}
