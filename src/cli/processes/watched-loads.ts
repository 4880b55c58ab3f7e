import fs from 'node:fs';
import path from 'node:path';
import { preload } from './hooked-environment.js';

/** A module that the hook was asked for. */
export interface WatchedLoad {
  key: string;
  hit: boolean;
  /** The id of the engine of the process. */
  engine: string;
}

/** Which modules the processes of a command ask the hook for. */
export class WatchedLoads {
  readonly #file: string;

  /** @param folder - a private one, for the file that the processes write to */
  constructor(folder: string) {
    this.#file = path.join(folder, 'loads');
  }

  /** For the command's environment. */
  preload(): URL {
    return preload('processes/watch-loads.js', { to: this.#file });
  }

  /** What was asked for since the last time. */
  take(): WatchedLoad[] {
    if (!fs.existsSync(this.#file)) return [];
    const lines = fs.readFileSync(this.#file, 'utf8').split('\n').filter(Boolean);
    fs.rmSync(this.#file);
    return lines.map((line) => JSON.parse(line));
  }
}
