import type { FileSystemCache } from '../caches/file-system.js';
import type { Push } from '../learning/push.js';
import type { Engine } from '../module-cache.js';
import type { RemoteSettings } from '../settings/read-settings.js';
import { ProgramRecord, programName } from '../stores/program-record.js';
import { RemoteTier } from './remote-tier.js';
import type { Reporting } from './reporting.js';

/** The store that a fleet shares, and the record of this program. */
export class Fleet {
  /** Reads the store; `undefined` in mode write-only. */
  readonly tier: RemoteTier | undefined;
  readonly #settings: RemoteSettings;
  readonly #program: ProgramRecord | undefined;
  readonly #reporting: Reporting;
  /** Keys that were saved, or are new in the program record, and were not pushed yet. */
  readonly #unpushed = new Set<string>();

  constructor(settings: RemoteSettings, cache: FileSystemCache, engine: Engine, reporting: Reporting) {
    this.#settings = settings;
    this.#reporting = reporting;
    if (settings.mode !== 'write-only') {
      this.tier = new RemoteTier(settings, cache, engine, (failure) => reporting.storeFailed(failure));
    }
    const name = programName(process.argv[1]);
    if (name === undefined) return;
    this.#program = new ProgramRecord(name, cache.directory, cache.signer !== undefined);
    // Once per process: threads start later, and their modules are fetched when they ask for them.
    if (!process.getBuiltinModule('node:worker_threads').isMainThread) return;
    if (this.tier?.isOn && this.#program.beginPrefetch()) this.tier.prefetch(this.#program);
  }

  /** The store, if it is worth asking. */
  get askable(): RemoteTier | undefined {
    return this.tier?.isOn ? this.tier : undefined;
  }

  /** Whether the program record has this module. */
  hasInRecord(key: string | undefined): boolean {
    return !this.#program || (key !== undefined && this.#program.keys?.includes(key) === true);
  }

  /** Writes the modules of this program into its record, so that other machines fetch them when the program starts there. */
  noteUse(keys: readonly string[]): void {
    if (!this.#program || this.tier?.wasDown) return;
    try {
      const isNew = this.#program.note(keys);
      if (isNew) for (const key of keys) this.noteSave(key);
    } catch (error) {
      this.#reporting.failed("writing the program's record", error);
    }
  }

  /** Remembers an artifact to push. */
  noteSave(key: string): void {
    if (this.#settings.mode !== 'read-only') this.#unpushed.add(key);
  }

  /**
   * The artifacts that a learner pushes, so that no program waits for it.
   *
   * @param learnt - keys that a learner is about to save
   */
  takePush(learnt: readonly string[]): Push | undefined {
    const { url, allowUnsigned, mode } = this.#settings;
    if (mode === 'read-only') return undefined;
    const keys = [...new Set([...this.#unpushed, ...learnt])];
    this.#unpushed.clear();
    if (keys.length === 0) return undefined;
    if (this.tier?.wasDown) {
      this.#program?.forget(); // A later run pushes all that it uses.
      return undefined;
    }
    return { url, allowUnsigned, program: this.#program?.name, keys };
  }

  /** Nobody pushes now: a later save of this process does, or else a later run. */
  putBack({ keys }: Push): void {
    for (const key of keys) this.#unpushed.add(key);
    this.#program?.forget();
  }
}
