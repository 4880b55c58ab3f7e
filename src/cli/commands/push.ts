import fs from 'node:fs';
import path from 'node:path';
import { V8Engine } from '../../engine/v8-engine.js';
import { decodeProgramRecord, encodeProgramRecord, ProgramRecord, programName } from '../../stores/program-record.js';
import type { Command } from '../command.js';
import { type Context, checkTrust } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { openRemote, type PatientStore, trustOf } from '../store/remote-store.js';
import { type Copied, copyArtifacts, folderOf, hasLeftOut, renderCopied } from '../store/transfer.js';
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
  /** Where, without user names and passwords. */
  store: string;
  /** The list that machines with nothing fetch when the program starts there; `null` where none was asked for. */
  program: { name: string; modules: string[] } | null;
}

export const command: Command<PushOptions, PushDocument> = {
  async run(context, { to, allEngines = false, program }) {
    checkTrust(context);
    const trust = trustOf(context);
    const name = program === undefined ? undefined : listNameOf(program);
    const store = await openRemote('--to', to);
    try {
      const engine = new V8Engine().deterministicId;
      const engines = allEngines ? undefined : 'this';
      const copied = await copyArtifacts({ from: folderOf(context), into: store, engines, ...trust }, engine);
      const list = name === undefined ? null : { name, modules: await putList(context, store, name, copied) };
      return { directory: context.directory, store: store.description, program: list, ...copied };
    } finally {
      await store.close();
    }
  },

  render: (document, colors) => {
    const { directory, store, program } = document;
    const lines = [`${renderCopied(document, 'pushed', colors)}, from ${directory} to ${store}`];
    if (program) lines.push(`The store's list ${program.name} has ${count(program.modules.length, 'module')}.`);
    return lines.join('\n');
  },

  exitCode: (document) => (hasLeftOut(document) || document.artifacts.length === 0 ? ExitCode.finding : ExitCode.ok),
};

/** @throws {UsageError} for a file that is not there: the list would be one that no program asks for. */
export function listNameOf(program: string): string {
  const file = path.resolve(program);
  if (!fs.existsSync(file)) throw new UsageError(`There is no file ${file}: name the main file of the program`);
  return programName(file) as string;
}

/**
 * What the program uses, as far as the folder knows; else everything of this engine.
 *
 * @returns the keys that the list has then
 */
async function putList(
  { directory, settings: { secrets } }: Context,
  store: PatientStore,
  name: string,
  { artifacts }: Copied,
): Promise<string[]> {
  const there = new Set(
    artifacts
      .filter(({ engine, outcome }) => engine.isThisEngine && (outcome === 'stored' || outcome === 'kept'))
      .map(({ key }) => key),
  );
  const used = new ProgramRecord(name, directory, secrets !== undefined).keys?.filter((key) => there.has(key)) ?? [];
  const stored = await store.get(name);
  const known = (stored && decodeProgramRecord(stored.bytes)) ?? [];
  const list = encodeProgramRecord([...(used.length > 0 ? used : there), ...known]);
  await store.put(name, list);
  return decodeProgramRecord(list) ?? [];
}
