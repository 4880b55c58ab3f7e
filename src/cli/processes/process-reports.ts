import fs from 'node:fs';
import { preload } from './hooked-environment.js';

/** Reads what a module reports that is preloaded into all processes of a command: one line of JSON for each report, in a file. */
export class ProcessReports<Report> {
  readonly #file: string;
  #taken = 0;

  /** @param file - in a private folder */
  constructor(file: string) {
    this.#file = file;
  }

  /**
   * The address to preload. It tells the module where to report to.
   *
   * @param module - path in dist/cli
   */
  preload(module: string): URL {
    return preload(module, { to: this.#file });
  }

  /** The reports that were written since the last call. */
  take(): Report[] {
    if (!fs.existsSync(this.#file)) return [];
    const lines = fs.readFileSync(this.#file, 'utf8').split('\n').slice(0, -1); // The last line may not be complete yet.
    const fresh = lines.slice(this.#taken);
    this.#taken = lines.length;
    return fresh.map((line) => JSON.parse(line));
  }
}
