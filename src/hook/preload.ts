import { FORMAT_VERSION } from '../artifact/header.js';
import { folderName } from '../caches/entry-name.js';
import type { V8Engine } from '../engine/v8-engine.js';
import { isWorker } from '../is-worker.js';
import type { ModuleHash } from '../module-hash.js';
import { debug } from './debug.js';
import { PRELOAD_RECORD } from './preload-record.js';
import type { HookOptions } from './settings.js';

/**
 * Restores the modules of a program before it asks for them, in a thread of the addon. native/preload.cc does the work; this tells it
 * where.
 */
export class Preload {
  readonly #directory: string;
  readonly #writes: boolean;
  readonly #engine: V8Engine;

  constructor({ directory, mode }: HookOptions, engine: V8Engine) {
    this.#directory = directory;
    this.#writes = mode === 'read-write';
    this.#engine = engine;
  }

  /** Begins with what the program used in its last runs. */
  start(): void {
    if (!this.#engine.canSerialize) return;
    const id = this.#engine.deterministicId;
    const folder = folderName(id);
    const { preloader } = this.#engine;
    preloader?.startPreload?.(this.#directory, PRELOAD_RECORD, id, folder, FORMAT_VERSION, this.#writes);
  }

  /** A module that this process restored itself: its next run preloads it. */
  keep(key: ModuleHash, module: WebAssembly.Module): void {
    if (isWorker || !this.#writes || key.algorithm !== 'sha256') return;
    debug('%s: to be preloaded', key);
    this.#engine.preloader?.keepForPreload?.(this.#directory, PRELOAD_RECORD, String(key), module);
  }
}
