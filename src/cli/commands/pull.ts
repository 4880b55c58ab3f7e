import path from 'node:path';
import { importBundle } from '../../bundle/bundle.js';
import { entryName } from '../../caches/entry-name.js';
import { ModuleHash } from '../../module-hash.js';
import { decodeProgramRecord, MAX_RECORD_SIZE } from '../../stores/program-record.js';
import type { Command } from '../command.js';
import { type Context, cacheOf, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { interruptible } from '../processes/cleanup.js';
import { openRemote, type PatientStore, type Trust, trustOf } from '../store/remote-store.js';
import { type Copied, copiedArtifact, copyArtifacts, hasLeftOut, renderCopied } from '../store/transfer.js';
import { recordNameOf } from './push.js';

export interface PullOptions {
  /** The address of the store. */
  from?: string;
  allEngines?: boolean;
  /** The main file of the program whose record names the modules. */
  program?: string;
  /** Keys of modules. */
  key?: string[];
}

export interface PullDocument extends Copied {
  directory: string;
  /** The absolute path of the bundle, or the store without user names and passwords. */
  source: string;
  /** Keys that were asked for, by `--key` or by the program's record, and have no artifact for this engine. */
  missing: string[];
}

export const command: Command<PullOptions, PullDocument> = {
  async run(context, options, [bundle]) {
    checkTrust(context);
    const trust = trustOf(context);
    if (bundle === undefined) return pullFromStore(context, options, trust);
    if (/^[a-z0-9+]+:\/\//i.test(bundle)) {
      throw new UsageError(`${bundle} is the address of a store, not a bundle: give it with --from`);
    }
    const other = (['from', 'program', 'key'] as const).find((name) => options[name] !== undefined);
    if (other) throw new UsageError(`--${other} is for a store, and ${bundle} is a bundle: give one of them`);
    return pullFromBundle(context, path.resolve(bundle), options, trust);
  },

  render: (document, colors) => {
    const { directory, source, missing } = document;
    const lines = [`${renderCopied(document, 'pulled', colors)}, from ${source} to ${directory}`];
    if (missing.length > 0) lines.push(colors.yellow(`Not there for this Node: ${missing.join(', ')}`));
    return lines.join('\n');
  },

  exitCode: (document) => {
    const isFinding = hasLeftOut(document) || document.missing.length > 0 || document.artifacts.length === 0;
    return isFinding ? ExitCode.finding : ExitCode.ok;
  },
};

async function pullFromBundle(
  context: Context,
  file: string,
  { allEngines: all = false }: PullOptions,
  trust: Trust,
): Promise<PullDocument> {
  const { directory, engineId } = context;
  const options = { from: file, into: cacheOf(context), all, ...trust };
  const { artifacts } = await interruptible((signal) => importBundle({ ...options, signal }));
  const copied = artifacts.map((artifact) => copiedArtifact(artifact, engineId));
  return { directory, source: file, missing: [], artifacts: copied, leftOut: [] };
}

async function pullFromStore(context: Context, options: PullOptions, trust: Trust): Promise<PullDocument> {
  const { from, allEngines = false, program, key } = options;
  const { directory, engineId } = context;
  const record = program === undefined ? undefined : recordNameOf(program);
  const given = key?.map(parseKey);
  const store = await openRemote('--from', from);
  try {
    const keys = given || record ? [...(given ?? []), ...(record ? await keysOf(store, record) : [])] : undefined;
    if (!keys && !store.list) {
      throw new UsageError(
        `The store ${store.description} cannot list what it has: name what to pull, with --program <file> or --key <key>`,
      );
    }
    const names = keys && [...new Set(keys)].map((each) => entryName({ key: ModuleHash.parseHex(each), engineId }));
    const engines = allEngines ? undefined : 'this';
    const copied = await copyArtifacts(context, { from: store, into: cacheOf(context), names, engines, ...trust });
    const found = new Set([...copied.artifacts.map((each) => each.key), ...copied.leftOut.map(keyOfName)]);
    const missing = keys?.filter((each) => !found.has(each)) ?? [];
    return { directory, source: store.description, missing, ...copied };
  } finally {
    await store.close();
  }
}

function keyOfName({ name }: { name: string }): string {
  return path.posix.basename(name, '.artifact');
}

/** @throws {Error} when the store has no record of the program. */
async function keysOf(store: PatientStore, record: string): Promise<string[]> {
  const stored = await store.get(record, { maxSize: MAX_RECORD_SIZE });
  const keys = stored && decodeProgramRecord(stored.bytes);
  if (keys) return keys;
  throw new Error(
    `The store ${store.description} has no record ${record}: push it, with wasm-cache push --program <file>`,
  );
}

function parseKey(text: string): string {
  try {
    return ModuleHash.parseHex(text).toString();
  } catch (error) {
    throw new UsageError(`--key ${text}: ${(error as Error).message}`);
  }
}
