/** The exit codes of all commands but `run`, which ends with the code of the command that it ran. Scripts rely on these numbers. */
export const ExitCode = {
  /** Success, or yes. */
  ok: 0,
  /** No, or a finding that somebody should look at. */
  finding: 1,
  /** Wrong usage. */
  usage: 2,
  /** The command could not do its work. */
  failed: 3,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Wrong usage. The message says what was wrong, with which value, and what to do. */
export class UsageError extends Error {}

/** This process was asked to end. It ends by the same signal, after it has cleaned up. */
export class InterruptedError extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`Interrupted by ${signal}`);
    this.signal = signal;
  }
}
