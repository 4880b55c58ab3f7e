import fs from 'node:fs';
import path from 'node:path';
import { FORMAT_VERSION } from '../artifact/header.js';
import { folderName } from '../caches/entry-name.js';
import type { V8Engine } from '../engine/v8-engine.js';
import { isWorker } from '../is-worker.js';
import type { ModuleHash } from '../module-hash.js';
import { PROGRAMS_FOLDER } from '../stores/program-record.js';
import { debug } from './reporting.js';
import type { HookOptions } from './settings.js';

// Captured: programs patch these objects.
const { existsSync } = fs;
const { permission } = process;

/** The longest name of a record, without its ending. */
const MAX_NAME_LENGTH = 200;

/**
 * Restores the modules of a program before it asks for them, in a thread of the addon. native/preload.cc does the work; this decides
 * whether there is any.
 */
export class Preload {
  readonly #directory: string;
  readonly #program: string;
  readonly #writes: boolean;
  readonly #engine: V8Engine;

  /** `undefined` where nothing is preloaded. */
  static of(options: HookOptions, engine: V8Engine): Preload | undefined {
    const [, script] = process.argv;
    // The thread reads only what nobody else can write, and asks no permission.
    const isOff = !options.preload || options.secrets || permission || !script;
    return isOff ? undefined : new Preload(options, script, engine);
  }

  private constructor({ directory, mode }: HookOptions, script: string, engine: V8Engine) {
    this.#directory = directory;
    this.#program = `${script.replace(/[^\w.+-]/g, '_').slice(-MAX_NAME_LENGTH)}.preload`;
    this.#writes = mode === 'read-write';
    this.#engine = engine;
  }

  /** Begins with what the program used in its last runs. Most programs have used nothing, and pay one look at the folder. */
  start(): void {
    if (isWorker || !existsSync(path.join(this.#directory, PROGRAMS_FOLDER, this.#program))) return;
    if (!this.#engine.canSerialize) return;
    const id = this.#engine.deterministicId;
    const folder = folderName(id);
    this.#engine.preloader?.startPreload?.(this.#directory, this.#program, id, folder, FORMAT_VERSION, this.#writes);
  }

  /** A module that this process restored itself: its next run preloads it. */
  keep(key: ModuleHash, module: WebAssembly.Module): void {
    if (isWorker || !this.#writes || key.algorithm !== 'sha256') return;
    debug('%s: to be preloaded', key);
    this.#engine.preloader?.keepForPreload?.(this.#directory, this.#program, String(key), module);
  }
}
