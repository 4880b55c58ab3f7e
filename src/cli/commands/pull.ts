import path from 'node:path';
import { importBundle } from '../../bundle/bundle.js';
import { entryName } from '../../caches/file-system.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { ModuleHash } from '../../module-hash.js';
import { decodeProgramRecord } from '../../stores/program-record.js';
import type { Command } from '../command.js';
import { type Context, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { interruptible } from '../processes/interruption.js';
import { openRemote, type PatientStore, type Trust, trustOf } from '../store/remote-store.js';
import { type Copied, copiedArtifact, copyArtifacts, folderOf, hasLeftOut, renderCopied } from '../store/transfer.js';
import { listNameOf } from './push.js';

export interface PullOptions {
  /** The address of the store. */
  from?: string;
  allEngines?: boolean;
  /** The main file of the program whose list is asked for. */
  program?: string;
  /** Keys of modules. */
  key?: string[];
}

export interface PullDocument extends Copied {
  directory: string;
  /** Where from: the absolute path of the bundle, or the store without user names and passwords. */
  source: string;
  /** Keys of those that were asked for by their key, or by the program's list, and are not there. */
  missing: string[];
}

export const command: Command<PullOptions, PullDocument> = {
  async run(context, options, [bundle]) {
    checkTrust(context);
    const trust = trustOf(context);
    if (bundle === undefined) return pullFromStore(context, options, trust);
    if (/^[a-z0-9+]+:\/\//i.test(bundle))
      throw new UsageError('The address of a store is given with --from; this is for a bundle');
    const other = (['from', 'program', 'key'] as const).find((name) => options[name] !== undefined);
    if (other) throw new UsageError(`--${other} is for a store, and here is a bundle: give one of them`);
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
  const engine = new V8Engine().deterministicId;
  const given = { from: file, into: folderOf(context), all, ...trust };
  const { artifacts } = await interruptible((signal) => importBundle({ ...given, signal }));
  return {
    ...{ directory: context.directory, source: file, missing: [], leftOut: [] },
    artifacts: artifacts.map((artifact) => copiedArtifact(artifact, engine)),
  };
}

async function pullFromStore(context: Context, options: PullOptions, trust: Trust): Promise<PullDocument> {
  const { from, allEngines = false, program, key } = options;
  const name = program === undefined ? undefined : listNameOf(program);
  const given = key?.map(parseKey);
  const store = await openRemote('--from', from);
  try {
    const engine = new V8Engine().deterministicId;
    const wanted = given || name ? [...(given ?? []), ...(name ? await keysOf(store, name) : [])] : undefined;
    if (!wanted && !store.list) {
      throw new UsageError(
        `The store ${store.description} cannot list what it has: name what to pull, with --program <file> or --key <key>`,
      );
    }
    const names =
      wanted && [...new Set(wanted)].map((each) => entryName({ key: ModuleHash.parseHex(each), engineId: engine }));
    const engines = allEngines ? undefined : 'this';
    const copied = await copyArtifacts({ from: store, into: folderOf(context), names, engines, ...trust }, engine);
    const found = new Set([...copied.artifacts.map((each) => each.key), ...copied.leftOut.map(keyOfName)]);
    const missing = wanted?.filter((each) => !found.has(each)) ?? [];
    return { directory: context.directory, source: store.description, missing, ...copied };
  } finally {
    await store.close();
  }
}

function keyOfName({ name }: { name: string }): string {
  return path.posix.basename(name, '.artifact');
}

/** @throws {Error} where the store has no list, so that nothing can be told from it. */
async function keysOf(store: PatientStore, name: string): Promise<string[]> {
  const stored = await store.get(name);
  const keys = stored && decodeProgramRecord(stored.bytes);
  if (keys) return keys;
  throw new Error(`The store ${store.description} has no list ${name}: push it, with wasm-cache push --program <file>`);
}

function parseKey(text: string): string {
  try {
    return ModuleHash.parseHex(text).toString();
  } catch (error) {
    throw new UsageError(`--key ${text}: ${(error as Error).message}`);
  }
}
