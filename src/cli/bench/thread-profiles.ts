import path from 'node:path';
import { ProcessReports } from '../processes/process-reports.js';
import type { ReportedProfile } from './profile-thread.js';

/** How long a thread was busy with WebAssembly. */
export interface ThreadProfile extends Pick<ReportedProfile, 'runningMilliseconds' | 'compilingMilliseconds'> {
  /** From a process's exit event to its end, while V8 waits for what it is just optimising; 0 for workers. */
  exitingMilliseconds: number;
}

const POLL_INTERVAL = 5;

/** Measures the threads of a command's processes. */
export class ThreadProfiles {
  readonly #reports: ProcessReports<ReportedProfile>;
  /** Of processes that have not ended yet. */
  #ending: ReportedProfile[] = [];
  readonly #profiles: ThreadProfile[] = [];

  /** @param folder - a private one */
  constructor(folder: string) {
    this.#reports = new ProcessReports(path.join(folder, 'profiles'));
  }

  /** For the command's environment. */
  preload(): URL {
    return this.#reports.preload('bench/profile-thread.js');
  }

  /** Watches the processes while the command runs: only another process sees when one has ended. */
  async watch<T>(run: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => this.#poll(), POLL_INTERVAL);
    try {
      return await run();
    } finally {
      clearInterval(timer);
      this.#poll();
    }
  }

  /** The thread that was busy with WebAssembly for the longest time; `undefined` when none has reported. */
  busiest(): ThreadProfile | undefined {
    return this.#profiles.toSorted((a, b) => busyMilliseconds(b) - busyMilliseconds(a))[0];
  }

  #poll(): void {
    this.#ending.push(...this.#reports.take());
    const now = machineMilliseconds();
    const hasEnded = ({ pid }: ReportedProfile) => pid === null || !isAlive(pid);
    for (const profile of this.#ending.filter(hasEnded)) {
      const { pid, reportedAtMilliseconds, runningMilliseconds, compilingMilliseconds } = profile;
      // Every process takes some time to exit. It counts only where V8 may have waited for WebAssembly.
      const waits = pid !== null && runningMilliseconds + compilingMilliseconds > 0;
      const exitingMilliseconds = waits ? now - reportedAtMilliseconds : 0;
      this.#profiles.push({ runningMilliseconds, compilingMilliseconds, exitingMilliseconds });
    }
    this.#ending = this.#ending.filter((profile) => !hasEnded(profile));
  }
}

export function busyMilliseconds(profile: ThreadProfile): number {
  return profile.runningMilliseconds + profile.compilingMilliseconds + profile.exitingMilliseconds;
}

/** The same clock in all processes. */
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
