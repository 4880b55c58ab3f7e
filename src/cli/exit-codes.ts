/** What the commands end with; for scripts, so these numbers do not change. `run` ends with the code of what it ran. */
export const ExitCode = {
  /** Done, or yes. */
  ok: 0,
  /** No, or there is something that somebody should look at. */
  finding: 1,
  /** The command was called wrongly. */
  usage: 2,
  /** It could not be done. */
  failed: 3,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The command was called wrongly: the message says what was wrong, with which value, and what to do. */
export class UsageError extends Error {}

/** This process was told to end: it does so by the same signal, when everything is put away. */
export class InterruptedError extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`Interrupted by ${signal}`);
    this.signal = signal;
  }
}
