import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** How one of our own processes ended, which answers on descriptor 3. */
export interface ChildResult {
  /** The JSON that it wrote there. */
  answer: string;
  stderr: string;
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Milliseconds. The largest modules take seconds to compile on a busy machine. */
const TIMEOUT = 60_000;

/**
 * Runs one of our own programs. Ignores its standard output, because programs that node's options load may print there.
 *
 * @throws {Error} of the system, when there is no such program.
 */
export async function runChild(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<ChildResult> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  // Not the `timeout` of `spawn`: before Node 26 it keeps this process alive when the program cannot be started.
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT);
  const [ended, stderr, answer] = await Promise.all([
    endOf(child),
    text(child.stderr as Readable),
    text(child.stdio[3] as Readable),
  ]);
  clearTimeout(timer);
  if ('error' in ended) throw ended.error;
  return { ...ended, stderr, answer };
}

function endOf(child: ChildProcess): Promise<Pick<ChildResult, 'code' | 'signal'> | { error: Error }> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ error }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

/** How a process ended, in words. */
export function howItEnded({ code, signal, stderr }: ChildResult): string {
  const said = tellingLine(stderr);
  return `${signal ? `was ended by ${signal}` : `ended with ${code}`}${said && `: ${said}`}`;
}

/** The line of a node's standard error that tells most. The other lines are source, stack and version. */
export function tellingLine(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /(Error|Warning|error)\b.*: /.test(line)) ?? lines[0] ?? '').trim();
}
