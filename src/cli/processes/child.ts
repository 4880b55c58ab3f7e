import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** How a process of ours ended that was to answer on descriptor 3. */
export interface ChildResult {
  /** What it wrote there, which is JSON. */
  answer: string;
  stderr: string;
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Milliseconds; the largest modules take seconds to compile on a busy machine. */
const TIMEOUT = 60_000;

/**
 * Runs one of our own programs in a process of its own. Its standard output is not looked at, because what node's options load may print.
 *
 * @throws what the system says when there is no such program.
 */
export async function runChild(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<ChildResult> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  // The `timeout` of `spawn` keeps this process for all of it where the program cannot be started (Node before 26).
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

/** In words, for an error. */
export function howItEnded({ code, signal, stderr }: ChildResult): string {
  const said = tellingLine(stderr);
  return `${signal ? `was ended by ${signal}` : `ended with ${code}`}${said && `: ${said}`}`;
}

/** The line of what a node said on standard error that tells most; around it are the source, a stack and the version. */
export function tellingLine(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /(Error|Warning|error)\b.*: /.test(line)) ?? lines[0] ?? '').trim();
}
