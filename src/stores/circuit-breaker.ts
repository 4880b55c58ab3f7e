/** Options of {@link CircuitBreaker}. */
export interface CircuitBreakerOptions {
  /** Consecutive failures that open it. Default 3. */
  failuresUntilOpen?: number | undefined;
  /** Milliseconds until the first probe. The pause doubles after each failed probe, and chance makes it half to one and a half. Default 5000. */
  retryAfter?: number | undefined;
}

const DEFAULT_FAILURES_UNTIL_OPEN = 3;
const DEFAULT_RETRY_AFTER = 5_000;
const MAX_RETRY_AFTER = 300_000;
const { now } = Date;

/**
 * Knows whether something is worth asking. Closed: yes. Open: no. Half-open: it is time for a probe, and only that may ask.
 *
 * No library, because those take 30 to 40 ms to load (cockatiel 3.2, Node 20), which a starting program would wait for.
 */
export class CircuitBreaker {
  readonly #failuresUntilOpen: number;
  readonly #retryAfter: number;
  #failures = 0;
  #probesFailed = 0;
  #probeAt = 0;
  #isOpen = false;

  constructor({
    failuresUntilOpen = DEFAULT_FAILURES_UNTIL_OPEN,
    retryAfter = DEFAULT_RETRY_AFTER,
  }: CircuitBreakerOptions = {}) {
    this.#failuresUntilOpen = failuresUntilOpen;
    this.#retryAfter = retryAfter;
  }

  get state(): 'closed' | 'open' | 'half-open' {
    if (!this.#isOpen) return 'closed';
    // After a clock was set back by more than any pause, nobody waits for it.
    const wait = this.#probeAt - now();
    return wait <= 0 || wait > 2 * MAX_RETRY_AFTER ? 'half-open' : 'open';
  }

  succeeded(): void {
    this.#isOpen = false;
    this.#failures = 0;
    this.#probesFailed = 0;
  }

  /** @param isCostly - somebody waited for all of the deadline, in vain. That opens it at once, because nobody should wait again */
  failed(isCostly: boolean): void {
    this.#failures++;
    if (!this.#isOpen && !isCostly && this.#failures < this.#failuresUntilOpen) return;
    if (this.#isOpen) this.#probesFailed++;
    this.#isOpen = true;
    const pause = Math.min(this.#retryAfter * 2 ** this.#probesFailed, MAX_RETRY_AFTER);
    // By chance, so that a fleet that lost its server at one moment does not come back in one moment, too.
    this.#probeAt = now() + pause * (0.5 + Math.random());
  }
}
