import type { Context } from './context.js';
import type { Colors } from './terminal/output.js';

/** What the file of a command exports as `command`. */
export interface Command<Options, Document> {
  /**
   * Does it, and gives what `--json` prints: its keys are stable and stand in docs/cli.md, sizes are bytes, times are ISO 8601, durations are
   * milliseconds and say so in their names. What is not known is `null`.
   *
   * @param args - those that are no options, also the ones after `--`
   */
  run(context: Context, options: Options, args: string[]): Promise<Document>;
  /** The same for people; without a line end after the last line. */
  render(document: Document, colors: Colors): string;
  /** Where that is printed, as JSON, too: by default to standard output, where that is not of somebody else. */
  output?: 'stdout' | 'stderr';
  /** Whether it shows what is wrong with the settings itself. */
  showsWarnings?: boolean;
  /** For scripts; by default `ExitCode.ok`. */
  exitCode?(document: Document): number;
}
