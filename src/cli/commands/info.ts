import fs from 'node:fs';
import { checkSignature, decodeArtifact } from '../../artifact/artifact.js';
import { isSigned } from '../../artifact/header.js';
import { Signer } from '../../artifact/signature.js';
import { CacheError } from '../../cache-error.js';
import { CrashGuard } from '../../caches/crash-guard.js';
import { whyNotThisEngine } from '../../engine/engine-id.js';
import { readNativeCode } from '../../engine/native-code.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { countFunctions } from '../../engine/wasm-binary.js';
import type { Command } from '../command.js';
import { type Context, checkTrust, shownPath } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { type Entry, engineName, readContents } from '../folder/entries.js';
import { type ModuleFile, readModuleFile } from '../folder/module-file.js';
import { readModuleNames } from '../folder/statistics.js';
import { type Colors, formatAge, formatSize, list } from '../terminal/output.js';

export interface InfoDocument {
  directory: string;
  /** The id of the engine of this process. */
  engine: string;
  /** As given, where nothing is stored for it. */
  key: string;
  /** Which package, else which file, called WebAssembly, as the folder's statistics have it. */
  name: string | null;
  /** The absolute path of the module, where a file was given. */
  module: string | null;
  /** Those of all engines, that of this one first. */
  artifacts: InfoArtifact[];
}

/** An artifact of which everything was read, and checked. */
export interface InfoArtifact extends Entry {
  /** `unchecked` where there is no secret to check it with. */
  signature: 'none' | 'valid' | 'other-secret' | 'unchecked' | null;
  /** Of the module, where that and the layout of this V8's native code are known. */
  functions: {
    declared: number;
    /** With optimised code in the artifact. */
    optimised: number;
    /** Ran, but not often enough. */
    executed: number;
  } | null;
  /** Processes that died while they loaded it, and tries since then that went well: it is not loaded for now. */
  suspect: { deaths: number; goodTries: number } | null;
  /** Why the engine of this process cannot load it. */
  notForThisEngine: string[];
}

/** Digits of a key that tell it from others. */
const MIN_PREFIX = 4;

export const command: Command<object, InfoDocument> = {
  async run(context, _options, [given = '']) {
    checkTrust(context);
    const { directory } = context;
    const engine = new V8Engine().deterministicId;
    const isKey = /^[0-9a-f]+$/i.test(given);
    if (isKey && (given.length < MIN_PREFIX || given.length > 64)) {
      throw new UsageError(
        `A key has 64 hexadecimal digits, of which the first ${MIN_PREFIX} may do, and not ${given}`,
      );
    }
    if (!isKey && !/[./\\]/.test(given) && !fs.existsSync(given)) {
      throw new UsageError(
        `${given} is no file here, and no key, which has 64 hexadecimal digits, of which the first ${MIN_PREFIX} may do`,
      );
    }
    const module = isKey ? undefined : await readModuleFile(given);
    const start = module ? module.key.toString() : given.toLowerCase();
    const { entries } = await readContents(directory, engine, ({ key }) => key.startsWith(start));
    const keys = [...new Set(entries.map(({ key }) => key))];
    if (keys.length > 1) {
      throw new UsageError(`${given} is the start of ${keys.length} keys: give more digits\n  ${keys.join('\n  ')}`);
    }
    const rank = ({ engine: { isThisEngine, isThisNode } }: Entry) => (isThisEngine ? 0 : isThisNode ? 1 : 2);
    entries.sort((a, b) => rank(a) - rank(b) || (a.usedAt < b.usedAt ? 1 : -1));
    const artifacts: InfoArtifact[] = [];
    for (const entry of entries) artifacts.push(await inspect(entry, context, module, engine));
    const key = keys[0] ?? start;
    const name = artifacts.length > 0 ? (await readModuleNames(directory))(key) : null;
    return { directory, engine, key, name, module: module?.file ?? null, artifacts };
  },

  render({ directory, key, name, module, artifacts }, colors) {
    const of = module === null ? key : `${shownPath(module)}, key ${key}`;
    if (artifacts.length === 0) {
      const advice = module === null ? '' : `\nWhat to do: wasm-cache why ${shownPath(module)}`;
      return `Nothing is stored for ${of} in ${directory}.${advice}`;
    }
    const moduleSize = artifacts.find((artifact) => artifact.moduleSize !== null)?.moduleSize ?? null;
    const head = list(
      [
        ['Key', colors.bold(key)],
        ['Name', name ?? undefined],
        [
          'Module',
          join(module === null ? null : shownPath(module), moduleSize === null ? null : formatSize(moduleSize)),
        ],
      ],
      colors,
    );
    return [head, ...artifacts.map((artifact) => renderArtifact(artifact, colors))].join('\n\n');
  },

  exitCode: ({ artifacts }) => (artifacts.length === 0 ? ExitCode.finding : ExitCode.ok),
};

async function inspect(
  entry: Entry,
  { settings }: Context,
  module: ModuleFile | undefined,
  here: string,
): Promise<InfoArtifact> {
  const notForThisEngine = whyNotThisEngine(entry.engine.id, here);
  const inspected: InfoArtifact = { ...entry, signature: null, functions: null, suspect: null, notForThisEngine };
  const { deaths, goodTries } = new CrashGuard(entry.file).suspect() ?? {};
  if (deaths !== undefined && goodTries !== undefined) inspected.suspect = { deaths, goodTries };
  if (entry.damage !== null) return inspected;
  try {
    const bytes = await fs.promises.readFile(entry.file);
    const { nativeCode, wireBytes = module?.wireBytes } = decodeArtifact(bytes);
    inspected.signature = signatureOf(bytes, settings.secrets);
    inspected.functions = functionsOf(nativeCode, wireBytes, entry.engine.v8);
  } catch (error) {
    inspected.damage = (error as Error).message;
  }
  return inspected;
}

/** @param bytes - of an artifact that can be decoded */
function signatureOf(bytes: Uint8Array, secrets: readonly string[] | undefined): InfoArtifact['signature'] {
  if (!isSigned(bytes)) return 'none';
  if (!secrets) return 'unchecked';
  const { nativeCode, wireBytes } = decodeArtifact(bytes);
  try {
    checkSignature(bytes, nativeCode, wireBytes, new Signer(secrets));
    return 'valid';
  } catch (error) {
    if (!CacheError.is(error, 'Untrusted')) throw error;
    return 'other-secret';
  }
}

function functionsOf(
  nativeCode: Uint8Array,
  wireBytes: Uint8Array | undefined,
  v8: string | null,
): InfoArtifact['functions'] {
  if (!wireBytes || v8 === null || nativeCode.length === 0) return null;
  try {
    const counts = countFunctions(wireBytes);
    const { optimised, executed } = readNativeCode(nativeCode, counts, v8);
    return { declared: counts.declared, optimised: optimised.size, executed: executed.size };
  } catch {
    return null; // Of a V8 that is not known here.
  }
}

function renderArtifact(artifact: InfoArtifact, colors: Colors): string {
  const { engine, size, nativeCodeSize, functions, bypassedUntil, suspect, writtenAt, usedAt, damage } = artifact;
  const name = engine.isThisEngine ? colors.green(`${engineName(engine)}, as here`) : engineName(engine);
  const reasons = artifact.notForThisEngine.join('; ');
  const pairs = list(
    [
      [
        '  Size',
        `${formatSize(size)}${nativeCodeSize === null ? '' : `, of it native code ${formatSize(nativeCodeSize)}`}`,
      ],
      ['  Coverage', coverage(artifact)],
      ['  Functions', functions ? functionCounts(functions) : undefined],
      ['  Signature', SIGNATURES[artifact.signature ?? ''] ?? undefined],
      ['  Written', writtenAt === null ? undefined : formatAge(writtenAt)],
      ['  Used', `${formatAge(usedAt)} (to the hour)`],
      ['  Damaged', damage === null ? undefined : colors.red(damage)],
      [
        '  Left alone',
        bypassedUntil === null ? undefined : colors.yellow(`until ${bypassedUntil}: loading it did not pay`),
      ],
      ['  Suspect', suspect ? colors.red(`${suspect.deaths} loads of it did not finish`) : undefined],
      ['  Not here', reasons === '' ? undefined : colors.yellow(reasons)],
      ['  File', artifact.file],
    ],
    colors,
  );
  return `${name}\n${pairs}`;
}

const SIGNATURES: Record<string, string> = {
  none: 'none',
  valid: 'valid',
  'other-secret': 'of another secret',
  unchecked: 'not checked: no secret is set',
};

function functionCounts({ declared, optimised, executed }: NonNullable<InfoArtifact['functions']>): string {
  return `${optimised} of ${declared} optimised${executed > 0 ? `, ${executed} more ran` : ''}`;
}

function coverage({ coverage: covered, generation, final }: InfoArtifact): string | undefined {
  if (covered === null) return undefined;
  return `${covered}, generation ${generation}${final ? ', final' : ''}`;
}

function join(...parts: (string | null)[]): string | undefined {
  return parts.filter((part) => part !== null).join(', ') || undefined;
}
