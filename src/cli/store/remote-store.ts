import type { ArtifactStore, GetOptions, PutOptions, StoredValue, StoreOptions } from '../../artifact-store.js';
import { openStore } from '../../stores/open-store.js';
import { parseRemoteUrl } from '../../stores/remote-url.js';
import { withSignal } from '../../stores/with-signal.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { formatDuration } from '../terminal/output.js';

/** Milliseconds that one answer may take: a person waits for it, and artifacts may have 100 MB. */
const PATIENCE = 60_000;

/** The secrets that sign, or the permission to go without. */
export type Trust = { secret: string[] } | { allowUnsigned: true };

/** @throws {UsageError} when there is neither a secret nor the permission to go without. */
export function trustOf({ settings: { secrets, allowUnsigned } }: Context): Trust {
  if (secrets) return { secret: secrets };
  if (allowUnsigned) return { allowUnsigned: true };
  throw new UsageError(
    'Artifacts for other machines must be signed, because they hold code: set WASM_CACHE_SECRET or WASM_CACHE_SECRET_FILE, or ' +
      'WASM_CACHE_ALLOW_UNSIGNED=1 to go without signatures',
  );
}

/**
 * The store at an address, by default that of `WASM_CACHE_REMOTE`. Does not connect yet.
 *
 * @param option - the option that gives the address, for errors
 * @throws {UsageError} when it is not the address of a store.
 */
export async function openRemote(option: string, address = process.env.WASM_CACHE_REMOTE): Promise<PatientStore> {
  if (!address) throw new UsageError(`Name a store, with ${option} or with WASM_CACHE_REMOTE`);
  try {
    parseRemoteUrl(address);
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}`);
  }
  return new PatientStore(await openStore(address));
}

/** A store whose answers are waited for only so long. */
export class PatientStore implements ArtifactStore {
  readonly #store: ArtifactStore;
  readonly #patience: number;
  /** Only when the store can list. */
  list?: (prefix: string, options?: StoreOptions) => AsyncIterable<string>;

  /** @param patience - milliseconds that one answer may take */
  constructor(store: ArtifactStore, patience: number = PATIENCE) {
    this.#store = store;
    this.#patience = patience;
    if (store.list) this.list = (prefix, options) => this.#list(prefix, options);
  }

  get description(): string {
    return this.#store.description;
  }

  get isConditional(): boolean {
    return this.#store.isConditional;
  }

  get(name: string, { maxSize, check, ...options }: GetOptions = {}): Promise<StoredValue | undefined> {
    return this.#ask(options, (limited) => this.#store.get(name, { ...limited, maxSize, check }));
  }

  put(name: string, bytes: Uint8Array, options: PutOptions = {}): Promise<boolean> {
    return this.#ask(options, (limited) => this.#store.put(name, bytes, { ...limited, ifVersion: options.ifVersion }));
  }

  has(name: string, options: StoreOptions = {}): Promise<boolean> {
    return this.#ask(options, (limited) => this.#store.has(name, limited));
  }

  delete(name: string, options: StoreOptions = {}): Promise<void> {
    return this.#ask(options, (limited) => this.#store.delete(name, limited));
  }

  async close(): Promise<void> {
    await this.#store.close?.().catch(() => {}); // The work is done.
  }

  async *#list(prefix: string, options: StoreOptions = {}): AsyncGenerator<string> {
    const names = this.#store.list?.(prefix, options)[Symbol.asyncIterator]();
    while (names) {
      const { value, done } = await this.#ask(options, () => names.next());
      if (done) return;
      yield value;
    }
  }

  /** Waits for the signal itself: not every store minds it before it is connected. */
  async #ask<T>({ signal }: StoreOptions, ask: (options: StoreOptions) => Promise<T>): Promise<T> {
    const deadline = new AbortController();
    const late = new Error(`no answer within ${formatDuration(this.#patience)}`);
    const timer = setTimeout(() => deadline.abort(late), this.#patience);
    const either = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
    try {
      return await withSignal(ask({ signal: either }), either);
    } finally {
      clearTimeout(timer);
    }
  }
}
