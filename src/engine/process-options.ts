import fs from 'node:fs';
import { isWorker } from '../is-worker.js';

// Captured: programs empty process.env and patch builtins.
const { readFileSync } = fs;
const { platform } = process;
const execArgv = [...process.execArgv];
const nodeOptions = (process.env.NODE_OPTIONS ?? '').split(/\s+/);

/** The options that this process was started with. Where two contradict each other, the later one counts. */
export const startOptions: readonly string[] = [...nodeOptions, ...execArgv];

let options: string[] | undefined;

/** Whether an option of Node or a flag of V8 was given to this process. The last one counts, as in `--no-name --name`. */
export function isGiven(name: string): boolean {
  const last = given().findLast(
    (option) => option === name || option === `no-${name}` || option.startsWith(`${name}=`),
  );
  return last !== undefined && last !== `no-${name}`;
}

/** Whether one of the options that were given is like this: `name` or `name=value`, without dashes in front. */
export function isAnyGiven(like: RegExp): boolean {
  return given().some((option) => like.test(option));
}

/** Without dashes in front. V8 takes one dash for two, and an underscore for a dash. */
function given(): string[] {
  options ??= [...nodeOptions, ...commandLine(), ...execArgv].flatMap((option) =>
    option.startsWith('-') ? [option.replaceAll('_', '-').replace(/^--?/, '')] : [],
  );
  return options;
}

/** A worker can be started with an `execArgv` of its own, but V8's flags are those of the process. */
function commandLine(): string[] {
  if (!isWorker || platform !== 'linux') return [];
  try {
    return readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(1);
  } catch {
    return [];
  }
}
