import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InterruptedError } from '../exit-codes.js';

/** The signals that ask this process to end. */
export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that can be interrupted: one of {@link ENDING_SIGNALS} aborts the given signal.
 *
 * @throws what `work` throws; after an interruption that should be the signal's reason, an {@link InterruptedError}.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interruption = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => interruption.abort(new InterruptedError(signal));
  for (const signal of ENDING_SIGNALS) process.once(signal, interrupt);
  try {
    return await work(interruption.signal);
  } finally {
    for (const signal of ENDING_SIGNALS) process.off(signal, interrupt);
  }
}

/** Runs work with a private folder, and removes the folder afterwards. */
export async function withTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wasm-cache-'));
  try {
    return await work(folder);
  } finally {
    // Processes that nobody waits for may still write there.
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}
