import { runSync } from '../files/steps.js';
import type { ModuleHash } from '../module-hash.js';
import { FileSystemStore } from '../stores/file-system.js';
import { PROGRAMS_FOLDER } from '../stores/program-record.js';

/** Modules of one shape that a program compiled and never again, after which another one of that shape is not saved. */
const SAVED_IN_VAIN = 4;
/** Remembered modules. The earliest are forgotten first. */
const MAX_MODULES = 32;
/** In bytes; a line has at most 40. */
const MAX_SIZE = 4096;
const KEY_DIGITS = 16;
const LINE = /^[0-9a-f]{16} \d+ \d+$/;

/** What modules have in common that a program makes anew, with other constants, in every run. */
export interface Shape {
  /** Bytes. */
  readonly wireLength: number;
  /** Functions with bodies. */
  readonly declared: number;
}

/**
 * Remembers which new modules a program compiled, to notice one whose bytes differ in every run: what is learnt of such a module is never
 * used.
 */
export class PassingModules {
  readonly #store: FileSystemStore;
  readonly #name: string;

  /** @param program - the program's file */
  constructor(directory: string, program: string, isShared: boolean) {
    this.#store = new FileSystemStore(directory, { isShared });
    this.#name = `${PROGRAMS_FOLDER}/${program.replace(/[^\w.+-]/g, '_').slice(-200)}.keys`;
  }

  /**
   * Remembers a module that is not stored. Never throws.
   *
   * @returns whether it will pass, like the last ones of its shape: then it is not to be saved. A module that comes again does not.
   */
  note(key: ModuleHash, { wireLength, declared }: Shape): boolean {
    const ofShape = ` ${wireLength} ${declared}`;
    const line = `${String(key).slice(0, KEY_DIGITS)}${ofShape}`;
    const lines = this.#read();
    if (lines.includes(line)) return false;
    const passes = lines.filter((each) => each.endsWith(ofShape)).length >= SAVED_IN_VAIN;
    const kept = [...lines, line].slice(-MAX_MODULES);
    try {
      runSync(this.#store.write(this.#name, Buffer.from(`${kept.join('\n')}\n`)));
    } catch {
      // Nothing can be remembered. Writing the artifact will report why.
    }
    return passes;
  }

  #read(): string[] {
    try {
      const { bytes } = runSync(this.#store.read(this.#name, MAX_SIZE));
      return Buffer.from(bytes)
        .toString('latin1')
        .split('\n')
        .filter((line) => LINE.test(line));
    } catch {
      return []; // There is none, or it is not ours.
    }
  }
}
