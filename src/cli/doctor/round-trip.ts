import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inventory } from '../../caches/inventory.js';
import { packageRoot } from '../../package-root.js';
import { variablesFor } from '../../settings/settings.js';
import { type Context, copyVerdict } from '../context.js';
import { howItEnded, runChild } from '../processes/child.js';

/** What each of the two processes says. */
export interface RoundTripAnswer {
  hits: number;
  /** Milliseconds of `new WebAssembly.Module()`. */
  compileMs: number;
}

export interface RoundTrip {
  /** Whether the second process got the module from the cache. */
  hit: boolean;
  /** What `new WebAssembly.Module()` took in each, in milliseconds. */
  firstMilliseconds: number;
  secondMilliseconds: number;
  /** Bytes that the first process stored; 0 when it stored nothing. */
  artifactSize: number;
  /** What either of them said on standard error. */
  stderr: string;
}

/**
 * Compiles a module under the hook in one process, and loads it in a second one, in a new folder that is removed afterwards. Both run with the
 * variables of this process, less those that would keep them from it.
 *
 * @throws when one of them does not come to its end.
 */
export async function makeRoundTrip(context: Context): Promise<RoundTrip> {
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'wasm-cache-doctor-'));
  const kept = Object.entries(process.env).filter(([name]) => !/^WASM_CACHE_(?!SECRET)/.test(name));
  const env = { ...Object.fromEntries(kept), ...variablesFor({ directory, learn: 'off' }) };
  try {
    await copyVerdict(context, directory);
    const first = await run(env);
    let artifactSize = 0;
    for await (const { kind, size } of inventory(directory)) if (kind === 'artifact') artifactSize += size;
    const second = await run(env);
    return {
      hit: second.hits > 0,
      firstMilliseconds: first.compileMs,
      secondMilliseconds: second.compileMs,
      artifactSize,
      stderr: `${first.stderr}${second.stderr}`.trim(),
    };
  } finally {
    await fs.promises.rm(directory, { recursive: true, force: true });
  }
}

async function run(env: NodeJS.ProcessEnv): Promise<RoundTripAnswer & { stderr: string }> {
  const result = await runChild(process.execPath, ['--import', HOOK, PROGRAM], env);
  if (result.answer === '' || result.code !== 0) throw new Error(`a process under the hook ${howItEnded(result)}`);
  return { ...(JSON.parse(result.answer) as RoundTripAnswer), stderr: result.stderr };
}

const HOOK = pathToFileURL(path.join(packageRoot, 'dist/register.js')).href;
const PROGRAM = path.join(packageRoot, 'dist/cli/doctor/round-trip-program.js');
