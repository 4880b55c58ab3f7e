import { count } from '../terminal/output.js';
import { StatusLine } from '../terminal/progress.js';

/** How often both sides are run by default. */
const LEAST_PAIRS = 5;
const MOST_PAIRS = 20;
const ENOUGH_MILLISECONDS = 30_000;

/**
 * Measures two things by turns, so that other work of the machine affects both alike.
 *
 * @param pairs - measurements of each; by default 5 to 20, for about 30 seconds
 */
export async function interleaved<T>(
  first: () => Promise<T>,
  second: () => Promise<T>,
  pairs: number | undefined,
): Promise<[T[], T[]]> {
  const [ofFirst, ofSecond]: [T[], T[]] = [[], []];
  const status = new StatusLine();
  const start = performance.now();
  const isEnough = () =>
    ofFirst.length >= (pairs ?? MOST_PAIRS) ||
    (pairs === undefined && ofFirst.length >= LEAST_PAIRS && performance.now() - start > ENOUGH_MILLISECONDS);
  try {
    while (!isEnough()) {
      status.show(`measuring: ${count(ofFirst.length, 'pair')} of ${pairs ?? `at most ${MOST_PAIRS}`} ...`);
      const isReversed = ofFirst.length % 2 === 1; // The second one may find warm caches, or a busy machine.
      if (isReversed) ofSecond.push(await second());
      ofFirst.push(await first());
      if (!isReversed) ofSecond.push(await second());
    }
  } finally {
    status.clear();
  }
  return [ofFirst, ofSecond];
}
