// The V8 flags of the program that a learner works for. With other flags its engine would have another id.
import childProcess from 'node:child_process';
import fs from 'node:fs';
import type { V8Engine } from '../engine/v8-engine.js';
import { loadAddon } from '../native/addon.js';

// What changes the engine id and programs set while they run (Jest, bytenode), and how to set it back.
const SET_LATE = [
  ['--expose-gc', '--no-expose-gc'],
  ['--no-flush-bytecode', '--flush-bytecode'],
  ['--no-lazy', '--lazy'],
  ['--no-opt', '--opt'],
] as const;

/**
 * Those of the options that are flags of V8.
 *
 * @param listed - what `node --v8-options` prints
 */
export function flagsAmong(options: readonly string[], listed: string): string[] {
  const names = new Set(Array.from(listed.matchAll(/^ +--([a-z][a-z0-9-]*)/gm), ([, name]) => name));
  names.delete('help');
  return options.filter((option) => {
    const name = option.replaceAll('_', '-').replace(/^--?/, '').replace(/=.*/, '');
    return names.has(name) || names.has(name.replace(/^no-?/, ''));
  });
}

/**
 * Gives this process the flags of the program. If they belong on the command line, it starts itself anew and does not return.
 *
 * @param options - of the program, or empty if this process has them already
 * @param rest - the arguments of this process for that, the script first
 */
export function takeFlags(
  engine: V8Engine,
  engineId: string,
  options: readonly string[],
  rest: readonly string[],
): void {
  // With --perf-basic-prof V8 has begun to write this file.
  if (process.platform === 'linux') fs.rmSync(`/tmp/perf-${process.pid}.map`, { force: true });
  const { addon } = loadAddon();
  if (!addon || engine.deterministicId === engineId) return;

  const flags = options.length > 0 ? flagsAmong(options, listFlags()) : [];
  if (flags.length > 0) {
    const variables = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
    addon.becomeProgram([process.execPath, ...process.execArgv, ...flags, ...rest], variables);
  }
  for (let chosen = 1; chosen < 1 << SET_LATE.length; chosen++) {
    const late = SET_LATE.filter((_, index) => chosen & (1 << index));
    for (const [set] of late) addon.setFlag(set);
    if (engine.deterministicId === engineId) return;
    for (const [, reset] of late) addon.setFlag(reset);
  }
}

const listFlags = () => childProcess.execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
