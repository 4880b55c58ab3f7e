import type { LoadProgress } from './load-progress.js';

/** What one of those who share a flight may ask of it. */
export interface Passenger<Progress = LoadProgress> {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/**
 * One piece of work for all who want its result. Whoever joins gets the progress from then on, and may leave, by a signal or by
 * throwing from `onProgress`, without a loss for the others; when the last one has left, the work is aborted.
 */
export class Flight<T, Progress = LoadProgress> {
  /** Settles, never with an error, when the work is over or nobody wants it any more. */
  readonly over: Promise<void>;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(progress: Progress) => void>();
  readonly #result: Promise<T>;

  /** @param work - starts when whoever made the flight has had time to join it */
  constructor(work: (shared: Required<Passenger<Progress>>) => Promise<T>) {
    const onProgress = (progress: Progress) => {
      for (const tell of [...this.#listeners]) tell(progress);
    };
    const { signal } = this.#abort;
    this.#result = Promise.resolve().then(() => work({ signal, onProgress }));
    const left = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    this.over = Promise.race([left, this.#result.then(ignore, ignore)]);
  }

  /** Whether all have left. */
  get isAbandoned(): boolean {
    return this.#abort.signal.aborted;
  }

  join({ signal, onProgress }: Passenger<Progress>): Promise<T> {
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
