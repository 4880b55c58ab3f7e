/** Several measurements of the same thing. */
export interface Spread {
  /** In the order of the runs. */
  milliseconds: number[];
  median: number;
  lowerQuartile: number;
  upperQuartile: number;
}

/** @param runs - things that took some time */
export function spreadOf(runs: { milliseconds: number }[]): Spread {
  const milliseconds = runs.map((run) => run.milliseconds);
  const sorted = milliseconds.toSorted((a, b) => a - b);
  return {
    milliseconds,
    median: quantile(sorted, 0.5),
    lowerQuartile: quantile(sorted, 0.25),
    upperQuartile: quantile(sorted, 0.75),
  };
}

/** Whether the middle halves overlap. Then the medians may differ by chance. */
export function overlap(a: Spread, b: Spread): boolean {
  return a.lowerQuartile <= b.upperQuartile && b.lowerQuartile <= a.upperQuartile;
}

function quantile(sorted: number[], part: number): number {
  const at = (sorted.length - 1) * part;
  const [below, above] = [sorted[Math.floor(at)] as number, sorted[Math.ceil(at)] as number];
  return below + (above - below) * (at - Math.floor(at));
}
