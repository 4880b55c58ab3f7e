import type { Context } from './context.js';
import type { Colors } from './terminal/output.js';

/** The file of each command exports one of these as `command`. */
export interface Command<Options, Document> {
  /**
   * Does the work, and returns the document that `--json` prints. Its keys are stable, and docs/cli.md names them. Sizes are bytes, times are
   * ISO 8601, durations are milliseconds and say so in their names. What is not known is `null`.
   *
   * @param args - the arguments that are not options, with those after `--`
   */
  run(context: Context, options: Options, args: string[]): Promise<Document>;
  /** The document as text for people, without a line end after the last line. Its controls are escaped already. */
  render(document: Document, colors: Colors): string;
  /** Where the text or the JSON goes. Default: standard output. */
  output?: 'stdout' | 'stderr';
  /** Whether the command itself shows what is wrong with the settings. */
  showsWarnings?: boolean;
  /** Default: `ExitCode.ok`. */
  exitCode?(document: Document): number;
}
