import fs from 'node:fs';
import path from 'node:path';
import { preload } from '../processes/hooked-environment.js';

/** How long a thread was busy with WebAssembly. */
export interface ThreadProfile {
  /** With what V8 compiles of a function when it is first called. */
  runningMilliseconds: number;
  /** In V8's calls that compile and instantiate, or waiting for them with nothing else to do. */
  compilingMilliseconds: number;
  /** From a process's exit event to its end, in which V8 waits for what it is just optimising; 0 of other threads. */
  exitingMilliseconds: number;
}

/** What a thread itself can tell, when it ends. */
export interface ReportedProfile extends Omit<ThreadProfile, 'exitingMilliseconds'> {
  /** Whose end comes after this; `null` of a worker's. */
  pid: number | null;
  /** By the clock of the machine. */
  reportedAtMilliseconds: number;
}

/** Milliseconds. */
const LOOK_EVERY = 5;

/** Measures the threads of a command's processes. */
export class ThreadProfiles {
  readonly #file: string;
  #reported = 0;
  /** Of processes that have not ended. */
  #ending: ReportedProfile[] = [];
  readonly #profiles: ThreadProfile[] = [];

  /** @param folder - a private one, for the file that the processes write to */
  constructor(folder: string) {
    this.#file = path.join(folder, 'profiles');
  }

  /** For the command's environment. */
  preload(): URL {
    return preload('bench/profile-thread.js', { to: this.#file });
  }

  /** Watches processes while the command runs: when one has really ended only others can see. */
  async watch<T>(run: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => this.#look(), LOOK_EVERY);
    try {
      return await run();
    } finally {
      clearInterval(timer);
      this.#look();
    }
  }

  /** The thread that was busy with WebAssembly for the longest time; `undefined` when none has told. */
  busiest(): ThreadProfile | undefined {
    return this.#profiles.toSorted((a, b) => busyMilliseconds(b) - busyMilliseconds(a))[0];
  }

  #look(): void {
    const text = fs.existsSync(this.#file) ? fs.readFileSync(this.#file, 'utf8') : '';
    const lines = text.split('\n').slice(0, -1); // What is behind the last line end is being written.
    this.#ending.push(...lines.slice(this.#reported).map((line) => JSON.parse(line)));
    this.#reported = lines.length;
    const now = machineMilliseconds();
    const isOver = ({ pid }: ReportedProfile) => pid === null || !isAlive(pid);
    for (const profile of this.#ending.filter(isOver)) {
      const { pid, reportedAtMilliseconds, runningMilliseconds, compilingMilliseconds } = profile;
      // Without WebAssembly that is the time that every process takes.
      const waits = pid !== null && runningMilliseconds + compilingMilliseconds > 0;
      const exitingMilliseconds = waits ? now - reportedAtMilliseconds : 0;
      this.#profiles.push({ runningMilliseconds, compilingMilliseconds, exitingMilliseconds });
    }
    this.#ending = this.#ending.filter((profile) => !isOver(profile));
  }
}

export function busyMilliseconds(profile: ThreadProfile): number {
  return profile.runningMilliseconds + profile.compilingMilliseconds + profile.exitingMilliseconds;
}

/** The same in all processes. */
function machineMilliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
