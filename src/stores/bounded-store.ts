import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../artifact-store.js';
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.js';

/** The limits on the time that a store may cost its callers. */
export interface BoundedStoreOptions extends CircuitBreakerOptions {
  /** Milliseconds that a `get` or `has` may take. Default 250. */
  timeout?: number | undefined;
  /** Milliseconds that a `put` or `delete` may take. Nobody should wait for those. Default 10000. */
  writeTimeout?: number | undefined;
}

/** Options of {@link BoundedStore.read}. */
export interface ReadOptions<T> extends StoreOptions {
  /** Receives an answer that comes after the deadline, up to {@link LATE_AT_MOST}. Must not throw. */
  onLate?: ((answer: T) => void) | undefined;
}

/** The store was not asked, or did not answer in time. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

const DEFAULT_TIMEOUT = 250;
const DEFAULT_WRITE_TIMEOUT = 10_000;
/** Milliseconds after the deadline for which an answer is still useful. */
const LATE_AT_MOST = 10_000;
const PROBE = 'probe';

/**
 * Limits the time that a store costs its callers, also if it is dead, hangs, is slow or sends garbage: one deadline, and then nothing.
 * While the circuit is open every operation rejects at once with a {@link StoreUnavailableError}. Probes in the background find out
 * whether the store is back.
 */
export class BoundedStore implements ArtifactStore {
  readonly #store: ArtifactStore;
  readonly #breaker: CircuitBreaker;
  readonly #timeout: number;
  readonly #writeTimeout: number;
  #isProbing = false;
  /** Counts answers in time, late answers, failures, and operations that were not started. */
  readonly stats = { succeeded: 0, timedOut: 0, late: 0, failed: 0, notAsked: 0 };

  constructor(store: ArtifactStore, options: BoundedStoreOptions = {}) {
    const { timeout = DEFAULT_TIMEOUT, writeTimeout = DEFAULT_WRITE_TIMEOUT } = options;
    this.#store = store;
    this.#breaker = new CircuitBreaker(options);
    this.#timeout = timeout;
    this.#writeTimeout = writeTimeout;
  }

  get description(): string {
    return this.#store.description;
  }

  get isConditional(): boolean {
    return this.#store.isConditional;
  }

  get state(): CircuitBreaker['state'] {
    return this.#breaker.state;
  }

  get(name: string, { signal, maxSize }: GetOptions = {}): Promise<StoredValue | undefined> {
    return this.read((store, options) => store.get(name, { ...options, maxSize }), { signal });
  }

  /**
   * Runs `ask` within the deadline for reading. An error of `ask` counts as a failure of the store, so that a store with useless values
   * is not asked for ever.
   */
  read<T>(
    ask: (store: ArtifactStore, options: StoreOptions) => Promise<T>,
    { signal, onLate }: ReadOptions<T> = {},
  ): Promise<T> {
    return this.#ask((options) => ask(this.#store, options), this.#timeout, signal, onLate);
  }

  has(name: string, { signal }: StoreOptions = {}): Promise<boolean> {
    return this.#ask((options) => this.#store.has(name, options), this.#timeout, signal);
  }

  put(name: string, bytes: Uint8Array, { signal, ifVersion }: PutOptions = {}): Promise<boolean> {
    const ask = (options: StoreOptions) => this.#store.put(name, bytes, { ...options, ifVersion });
    return this.#ask(ask, this.#writeTimeout, signal);
  }

  delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    return this.#ask((options) => this.#store.delete(name, options), this.#writeTimeout, signal);
  }

  async close(): Promise<void> {
    await this.#store.close?.();
  }

  /** @param onLate - if given, the operation goes on after the deadline */
  async #ask<T>(
    operation: (options: StoreOptions) => Promise<T>,
    timeout: number,
    signal: AbortSignal | undefined,
    onLate?: (value: T) => void,
  ): Promise<T> {
    signal?.throwIfAborted();
    if (this.#breaker.state !== 'closed') {
      this.stats.notAsked++;
      this.#probeIfDue();
      throw new StoreUnavailableError(`${this.description} is not asked for a while, because it failed before`);
    }
    const limit = onLate ? timeout + LATE_AT_MOST : timeout;
    const until = signal ? AbortSignal.any([signal, AbortSignal.timeout(limit)]) : AbortSignal.timeout(limit);
    const deadline = new Deadline(timeout, signal);
    // In an async function, because a user's store may throw where it should reject.
    const answer = (async () => operation({ signal: until, background: deadline.signal }))();
    let isLate = false;
    try {
      const value = await Promise.race([answer, deadline.passed]);
      this.stats.succeeded++;
      this.#breaker.succeeded();
      return value;
    } catch (error) {
      signal?.throwIfAborted();
      isLate = deadline.signal.aborted || until.aborted;
      this.stats[isLate ? 'timedOut' : 'failed']++;
      this.#breaker.failed(isLate);
      if (!isLate) throw error;
      throw new StoreUnavailableError(`${this.description} did not answer within ${timeout} ms`);
    } finally {
      deadline.end();
      if (isLate && onLate) {
        answer.then(
          (value) => {
            this.stats.late++;
            onLate(value);
          },
          () => {},
        );
      } else {
        answer.catch(() => {}); // it lost the race, so nobody handles it
      }
    }
  }

  #probeIfDue(): void {
    if (this.#isProbing || this.#breaker.state !== 'half-open') return;
    this.#isProbing = true;
    const options = { signal: AbortSignal.timeout(this.#writeTimeout), background: AbortSignal.abort() };
    (async () => this.#store.has(PROBE, options))()
      .then(
        () => this.#breaker.succeeded(),
        () => this.#breaker.failed(false),
      )
      .finally(() => {
        this.#isProbing = false;
      });
  }
}

class Deadline {
  readonly passed: Promise<never>;
  readonly signal: AbortSignal;
  readonly end: () => void;

  constructor(milliseconds: number, signal: AbortSignal | undefined) {
    const controller = new AbortController();
    this.signal = controller.signal;
    let end = () => {};
    this.passed = new Promise((_, reject) => {
      const timer = setTimeout(() => {
        controller.abort();
        reject(controller.signal.reason);
      }, milliseconds);
      const onAbort = () => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort);
      end = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
    });
    this.end = end;
    this.passed.catch(() => {});
  }
}
