import { runSync } from '../files/steps.js';
import type { ModuleHash } from '../module-hash.js';
import { FileSystemStore } from '../stores/file-system.js';
import { PROGRAMS_FOLDER } from '../stores/programs-folder.js';

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
  /** Of earlier runs: the modules of one run say nothing about each other. */
  #earlier: readonly string[] | undefined;
  readonly #noted: string[] = [];

  /** @param program - the program's file */
  constructor(directory: string, program: string, isShared: boolean) {
    this.#store = new FileSystemStore(directory, { isShared });
    this.#name = `${PROGRAMS_FOLDER}/${program.replace(/[^\w.+-]/g, '_').slice(-200)}.keys`;
  }

  /** Whether a module that is not stored will pass, like the last ones of its shape. One that comes again does not. */
  passes(key: ModuleHash, shape: Shape): boolean {
    this.#earlier ??= this.#read();
    const lines = this.#earlier;
    const ofShape = endOf(shape);
    return (
      !lines.includes(lineOf(key, shape)) && lines.filter((line) => line.endsWith(ofShape)).length >= SAVED_IN_VAIN
    );
  }

  /** Remembers such a module. Never throws. */
  note(key: ModuleHash, shape: Shape): void {
    const line = lineOf(key, shape);
    this.#earlier ??= this.#read();
    if (this.#noted.length >= MAX_MODULES || this.#earlier.includes(line)) return;
    this.#noted.push(line);
    const kept = [...this.#earlier, ...this.#noted].slice(-MAX_MODULES);
    try {
      runSync(this.#store.write(this.#name, Buffer.from(`${kept.join('\n')}\n`)));
    } catch {
      // Nothing can be remembered.
    }
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

function lineOf(key: ModuleHash, shape: Shape): string {
  return `${String(key).slice(0, KEY_DIGITS)}${endOf(shape)}`;
}

function endOf({ wireLength, declared }: Shape): string {
  return ` ${wireLength} ${declared}`;
}
