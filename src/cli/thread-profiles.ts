import fs from 'node:fs';
import path from 'node:path';
import { preload } from './hooked-environment.js';

/** How long a thread was busy with WebAssembly. */
export interface ThreadProfile {
  runningMilliseconds: number;
  /** In V8's calls that compile and instantiate, or waiting for them with nothing else to do. */
  compilingMilliseconds: number;
}

/** Measures the threads of a command's processes. */
export class ThreadProfiles {
  readonly #file: string;

  /** @param folder - a private one, for the file that the processes write to */
  constructor(folder: string) {
    this.#file = path.join(folder, 'profiles');
  }

  /** For the command's environment. */
  preload(): URL {
    return preload('profile-thread.js', { to: this.#file });
  }

  /** Of the thread that was busy with it for the longest time; `undefined` when no thread has told. */
  busiest(): ThreadProfile | undefined {
    if (!fs.existsSync(this.#file)) return undefined;
    const lines = fs.readFileSync(this.#file, 'utf8').split('\n').filter(Boolean);
    const profiles = lines.map((line): ThreadProfile => JSON.parse(line));
    return profiles.toSorted((a, b) => total(b) - total(a))[0];
  }
}

function total({ runningMilliseconds, compilingMilliseconds }: ThreadProfile): number {
  return runningMilliseconds + compilingMilliseconds;
}
