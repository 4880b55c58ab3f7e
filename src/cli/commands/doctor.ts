import { V8Engine } from '../../engine/v8-engine.js';
import type { Command } from '../command.js';
import type { Context } from '../context.js';
import { checkFolder } from '../doctor/check-folder.js';
import { checkProcess } from '../doctor/check-process.js';
import { checkStore, type StoreCheck } from '../doctor/check-store.js';
import { checkV8 } from '../doctor/check-v8.js';
import { type Finding, ok, problem } from '../doctor/finding.js';
import { makeRoundTrip, type RoundTrip } from '../doctor/round-trip.js';
import { ExitCode } from '../exit-codes.js';
import { type EntryEngine, entryEngine } from '../folder/entries.js';
import { tellingLine } from '../processes/child.js';
import { type Colors, count, formatDuration, formatSize } from '../terminal/output.js';

export interface DoctorDocument {
  directory: string;
  engine: EntryEngine;
  /** The most important first. */
  findings: Finding[];
  store: Omit<StoreCheck, 'finding'>;
  /** `null` when it was not made. */
  roundTrip: Omit<RoundTrip, 'stderr'> | null;
}

export const command: Command<object, DoctorDocument> = {
  showsWarnings: true,

  async run(context) {
    const { directory, settings } = context;
    const ofV8 = await checkV8(context);
    const { deterministicId, canSerialize } = new V8Engine();
    const { finding: ofStore, ...store } = await checkStore(settings);
    const { finding: ofRoundTrip, roundTrip } = canSerialize ? await checkRoundTrip(context) : NOT_MADE;
    const findings = [...ofV8, ...checkProcess(settings), ...(await checkFolder(context)), ofStore, ofRoundTrip];
    return { directory, engine: entryEngine(deterministicId, deterministicId), findings, store, roundTrip };
  },

  render({ findings }, colors) {
    const width = Math.max(...findings.map(({ id }) => id.length));
    const lines = findings.map((finding) => renderFinding(finding, width, colors));
    const problems = findings.filter(({ status }) => status === 'problem').length;
    const warnings = findings.filter(({ status }) => status === 'warning').length;
    const found = [
      ...(problems ? [count(problems, 'problem')] : []),
      ...(warnings ? [count(warnings, 'warning')] : []),
    ];
    lines.push('', found.length > 0 ? `${found.join(' and ')}.` : 'No problems found.');
    return lines.join('\n');
  },

  exitCode: ({ findings }) => (findings.some(({ status }) => status === 'problem') ? ExitCode.finding : ExitCode.ok),
};

async function checkRoundTrip(context: Context): Promise<{ finding: Finding; roundTrip: DoctorDocument['roundTrip'] }> {
  let made: RoundTrip;
  try {
    made = await makeRoundTrip(context);
  } catch (error) {
    const { message } = error as Error;
    return {
      finding: problem(
        'round-trip',
        message,
        'run this command again with NODE_DEBUG=wasm-cache, and report the problem',
      ),
      roundTrip: null,
    };
  }
  const { stderr, ...roundTrip } = made;
  const { hit, firstMilliseconds, secondMilliseconds, artifactSize } = roundTrip;
  if (hit) {
    const first = `one process compiled a small module in ${formatDuration(firstMilliseconds)} and saved it (${formatSize(artifactSize)})`;
    const message = `${first}, and a second process loaded it in ${formatDuration(secondMilliseconds)}`;
    return { finding: ok('round-trip', message), roundTrip };
  }
  const what = artifactSize === 0 ? 'the first process saved nothing' : 'the second process did not load the module';
  const said = tellingLine(stderr);
  const advice =
    'run this command again with NODE_DEBUG=wasm-cache, which shows what the hook does, and report the problem';
  return { finding: problem('round-trip', `${what}${said && `: ${said}`}`, advice), roundTrip };
}

const NOT_MADE = {
  finding: problem('round-trip', 'not made, because native code cannot be used', 'see the check of node'),
  roundTrip: null,
};

function renderFinding({ id, status, message, advice }: Finding, width: number, colors: Colors): string {
  const color = { ok: colors.green, warning: colors.yellow, problem: colors.red }[status];
  const line = `${color(status.padEnd(7))}  ${colors.bold(id.padEnd(width))}  ${message}`;
  return advice === null ? line : `${line}\n${' '.repeat(9 + width)}  do: ${advice}`;
}
