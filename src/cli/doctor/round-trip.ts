import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inventory } from '../../caches/inventory.js';
import { packageRoot } from '../../package-root.js';
import { variablesFor } from '../../settings/settings.js';
import { type Context, copyVerdict } from '../context.js';
import { howItEnded, runChild } from '../processes/child.js';

/** What each of the two processes reports. */
export interface RoundTripAnswer {
  hits: number;
  /** Milliseconds of `new WebAssembly.Module()`. */
  compileMs: number;
}

export interface RoundTrip {
  /** Whether the second process got the module from the cache. */
  hit: boolean;
  /** How long `new WebAssembly.Module()` took in each process. */
  firstMilliseconds: number;
  secondMilliseconds: number;
  /** Bytes that the first process stored; 0 when it stored nothing. */
  artifactSize: number;
  /** What both wrote to standard error. */
  stderr: string;
}

/**
 * Compiles a module with the hook in one process, and loads it in a second one, in a temporary folder. Both have the environment of this
 * process, without the settings that would prevent it.
 *
 * @throws {Error} when one of them fails.
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
