import { InterruptedError } from '../exit-codes.js';

export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does something that can be ended: when this process is told to, the signal is aborted.
 *
 * @throws what `use` throws, which is the signal's reason then: an {@link InterruptedError}.
 */
export async function interruptible<T>(use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interruption = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => interruption.abort(new InterruptedError(signal));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    return await use(interruption.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}
