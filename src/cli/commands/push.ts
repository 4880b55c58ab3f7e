import fs from 'node:fs';
import path from 'node:path';
import {
  decodeProgramRecord,
  encodeProgramRecord,
  MAX_RECORD_SIZE,
  ProgramRecord,
  programName,
} from '../../stores/program-record.js';
import type { Command } from '../command.js';
import { type Context, cacheOf, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { openRemote, type PatientStore, trustOf } from '../store/remote-store.js';
import { type Copied, copyArtifacts, hasLeftOut, renderCopied } from '../store/transfer.js';
import { count } from '../terminal/output.js';

export interface PushOptions {
  /** The address of the store. */
  to?: string;
  allEngines?: boolean;
  /** The main file of a program. */
  program?: string;
}

export interface PushDocument extends Copied {
  directory: string;
  /** The store, without user names and passwords. */
  store: string;
  /** The program's record in the store, and the modules that it names now; `null` without `--program`. */
  program: { name: string; modules: string[] } | null;
}

export const command: Command<PushOptions, PushDocument> = {
  async run(context, { to, allEngines = false, program }) {
    checkTrust(context);
    const trust = trustOf(context);
    const name = program === undefined ? undefined : recordNameOf(program);
    const store = await openRemote('--to', to);
    try {
      const engines = allEngines ? undefined : 'this';
      const copied = await copyArtifacts(context, { from: cacheOf(context), into: store, engines, ...trust });
      const record = name === undefined ? null : { name, modules: await putRecord(context, store, name, copied) };
      return { directory: context.directory, store: store.description, program: record, ...copied };
    } finally {
      await store.close();
    }
  },

  render: (document, colors) => {
    const { directory, store, program } = document;
    const lines = [`${renderCopied(document, 'pushed', colors)}, from ${directory} to ${store}`];
    if (program)
      lines.push(`The record ${program.name} in the store names ${count(program.modules.length, 'module')}.`);
    return lines.join('\n');
  },

  exitCode: (document) => (hasLeftOut(document) || document.artifacts.length === 0 ? ExitCode.finding : ExitCode.ok),
};

/** @throws {UsageError} when there is no such file: no program would ask for its record. */
export function recordNameOf(program: string): string {
  const file = path.resolve(program);
  if (!fs.existsSync(file)) throw new UsageError(`There is no file ${file}: name the main file of the program`);
  return programName(file) as string;
}

/**
 * Adds the modules that the program uses, as far as the folder knows them, or else all modules of this engine.
 *
 * @returns the keys that the record names now
 */
async function putRecord(
  { directory, settings: { secrets } }: Context,
  store: PatientStore,
  name: string,
  { artifacts }: Copied,
): Promise<string[]> {
  const inStore = new Set(
    artifacts
      .filter(({ engine, outcome }) => engine.isThisEngine && (outcome === 'stored' || outcome === 'kept'))
      .map(({ key }) => key),
  );
  const used = new ProgramRecord(name, directory, secrets !== undefined).keys?.filter((key) => inStore.has(key)) ?? [];
  const stored = await store.get(name, { maxSize: MAX_RECORD_SIZE });
  const known = (stored && decodeProgramRecord(stored.bytes)) ?? [];
  const record = encodeProgramRecord([...(used.length > 0 ? used : inStore), ...known]);
  await store.put(name, record);
  return decodeProgramRecord(record) ?? [];
}
