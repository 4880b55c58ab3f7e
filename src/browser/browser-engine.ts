import { CacheError } from '../cache-error.js';
import type { Engine } from '../module-cache.js';
import type { ModuleHash } from '../module-hash.js';
import { sha256 } from './digest.js';

/** What is known of a module that was compiled here. */
interface Origin {
  wireBytes: Uint8Array<ArrayBuffer>;
  /** Where they were fetched from. */
  url: string | undefined;
}

/** For as long as somebody may want to save the module: a browser does not give its wire bytes back. */
const origins = new WeakMap<WebAssembly.Module, Origin>();

/**
 * The browser in this thread: it compiles, and keeps native code to itself, in a code cache of its own. `serialize` and
 * `deserialize` throw, and so does `wireBytes` for a module of another making. All instances are one.
 *
 * The wire bytes of a module that `compile` made are kept as long as the module lives; `loadModule` lets go of them when
 * the cache has the module.
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
    return remember(await WebAssembly.compile(copy), { wireBytes: copy, url: undefined });
  }

  /** Browsers refuse more than 8 MB at once in a page; in a worker they take any. */
  compileSync(wireBytes: Uint8Array): WebAssembly.Module {
    const copy = new Uint8Array(wireBytes);
    return remember(new WebAssembly.Module(copy), { wireBytes: copy, url: undefined });
  }

  serialize(_module: WebAssembly.Module): Uint8Array | undefined {
    throw new CacheError('Serialize', `Native code cannot be saved: ${this.unsupportedReason}`);
  }

  deserialize(_nativeCode: Uint8Array, _wireBytes: Uint8Array): WebAssembly.Module {
    throw new CacheError('Deserialize', `Native code cannot be loaded: ${this.unsupportedReason}`);
  }

  wireBytes(module: WebAssembly.Module): Uint8Array {
    return originOf(module).wireBytes.slice();
  }

  /**
   * @internal Compiles a response while it arrives. The response itself must go to the browser: only then does it look into its code
   * cache. Its clone is what is read here.
   *
   * @param onBytes - told how many have arrived
   */
  async receive(response: Response, onBytes: (bytes: number) => void): Promise<Received> {
    const { url } = response;
    const isWasm = response.headers.get('content-type')?.trim().toLowerCase() === 'application/wasm';
    const reading = readAll(isWasm ? response.clone() : response, onBytes);
    const compiling = isWasm ? WebAssembly.compileStreaming(response) : undefined;
    compiling?.catch(() => {}); // told of below, when the reading has not failed before
    const wireBytes = await reading;
    const [module, key] = await Promise.all([compiling ?? WebAssembly.compile(wireBytes), sha256(wireBytes)]);
    return { module: remember(module, { wireBytes, url: url || undefined }), key };
  }

  /** @internal Where the module was fetched from, when that is known. */
  static urlOf(module: WebAssembly.Module): string | undefined {
    return origins.get(module)?.url;
  }

  /** @internal When nobody needs the wire bytes any more. */
  static forget(module: WebAssembly.Module): void {
    origins.delete(module);
  }
}

/** A module with the hash of its wire bytes. */
export interface Received {
  module: WebAssembly.Module;
  key: ModuleHash;
}

function remember(module: WebAssembly.Module, origin: Origin): WebAssembly.Module {
  origins.set(module, origin);
  return module;
}

function originOf(module: WebAssembly.Module): Origin {
  const origin = origins.get(module);
  if (origin) return origin;
  throw new CacheError(
    'Serialize',
    'The wire bytes of this module are not known: no BrowserEngine of this thread compiled it',
  );
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
