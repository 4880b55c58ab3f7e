import type { LoadProgress } from '../module-cache.js';

/** What each caller brings: a signal to leave by, and a function that receives progress. */
export interface Caller<Progress = LoadProgress> {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** The work itself. It starts after the first caller has joined, and is aborted when the last one has left. */
type Work<T, Progress> = (shared: Required<Caller<Progress>>) => Promise<T>;

/** Callers who ask for the same name at the same time share one run of the work. */
export class SingleFlight<T, Progress = LoadProgress> {
  readonly #runs = new Map<string, SharedRun<T, Progress>>();

  run(name: string, caller: Caller<Progress>, work: Work<T, Progress>): Promise<T> {
    const known = this.#runs.get(name);
    if (known && !known.isAborted) return known.join(caller);
    const run = new SharedRun(work);
    this.#runs.set(name, run);
    run.over.then(() => {
      if (this.#runs.get(name) === run) this.#runs.delete(name);
    });
    return run.join(caller);
  }
}

/** A caller receives progress from the moment it joins. It may leave by its signal, or by throwing from `onProgress`; the others stay. */
class SharedRun<T, Progress> {
  /** Resolves when the work is over or aborted. Never rejects. */
  readonly over: Promise<void>;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(progress: Progress) => void>();
  readonly #result: Promise<T>;

  constructor(work: Work<T, Progress>) {
    const onProgress = (progress: Progress) => {
      for (const tell of [...this.#listeners]) tell(progress);
    };
    const { signal } = this.#abort;
    this.#result = Promise.resolve().then(() => work({ signal, onProgress }));
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    this.over = Promise.race([aborted, this.#result.then(ignore, ignore)]);
  }

  get isAborted(): boolean {
    return this.#abort.signal.aborted;
  }

  join({ signal, onProgress }: Caller<Progress>): Promise<T> {
    return new Promise((resolve, reject) => {
      const listener = (progress: Progress) => {
        try {
          onProgress?.(progress);
        } catch (error) {
          leave(error);
        }
      };
      const settle = () => {
        this.#listeners.delete(listener);
        signal?.removeEventListener('abort', onAbort);
      };
      const leave = (reason: unknown) => {
        settle();
        reject(reason);
        if (this.#listeners.size === 0) this.#abort.abort(reason);
      };
      const onAbort = () => leave(signal?.reason);
      this.#listeners.add(listener);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#result.finally(settle).then(resolve, reject);
    });
  }
}

function ignore(): void {}
