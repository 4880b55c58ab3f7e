import fs from 'node:fs';
import { type Artifact, checkSignature, decodeArtifact } from '../../artifact/artifact.js';
import { isSigned } from '../../artifact/header.js';
import { Signer } from '../../artifact/signature.js';
import { CacheError } from '../../cache-error.js';
import { CrashGuard } from '../../caches/crash-guard.js';
import { whyNotThisEngine } from '../../engine/engine-id.js';
import { readNativeCode } from '../../engine/native-code.js';
import { countFunctions } from '../../engine/wasm-binary.js';
import type { Command } from '../command.js';
import { type Context, checkTrust, readArtifactBytes, shownPath } from '../context.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { type Entry, engineName, readContents } from '../folder/entries.js';
import { type ModuleFile, readModuleFile } from '../folder/module-file.js';
import { readModuleNames } from '../folder/statistics.js';
import { type Colors, formatAge, formatSize, list } from '../terminal/output.js';

export interface InfoDocument {
  directory: string;
  /** The id of the engine of this process. */
  engine: string;
  /** As given, when nothing is stored for it. */
  key: string;
  /** The package that called WebAssembly, or else the file; from the folder's statistics. */
  name: string | null;
  /** The absolute path of the module, if a file was given. */
  module: string | null;
  /** The artifacts for all engines, that of this process first. */
  artifacts: InfoArtifact[];
}

/** An artifact that was read and checked as a whole. */
export interface InfoArtifact extends Entry {
  /** `unchecked` when there is no secret to check it with. */
  signature: 'none' | 'valid' | 'other-secret' | 'unchecked' | null;
  /** The module's functions; `null` when the module, or the native code's layout, is not known. */
  functions: {
    declared: number;
    /** With optimised code in the artifact. */
    optimised: number;
    /** That ran, but not often enough to be optimised. */
    executed: number;
  } | null;
  /** How many functions ran in the last run that was looked at, and have no optimised code; `null` when no run was. */
  missing: number | null;
  /** Processes that died while they loaded it, and successful tries since then; `null` when it is not in quarantine. */
  quarantine: { deaths: number; goodTries: number } | null;
  /** Why the engine of this process cannot load it. */
  notForThisEngine: string[];
}

/** As few digits of a key as may be given. */
const MIN_PREFIX = 4;
const KEY_DIGITS = 64;

export const command: Command<object, InfoDocument> = {
  async run(context, _options, [given = '']) {
    checkTrust(context);
    const { directory, engineId } = context;
    const module = isKey(given) ? undefined : await readModuleFile(given);
    const prefix = module ? module.key.toString() : given.toLowerCase();
    const { entries } = await readContents(directory, engineId, ({ key }) => key.startsWith(prefix));
    const keys = [...new Set(entries.map(({ key }) => key))];
    if (keys.length > 1) {
      throw new UsageError(`${given} is the start of ${keys.length} keys: give more digits\n  ${keys.join('\n  ')}`);
    }
    const rank = ({ engine: { isThisEngine, isThisNode } }: Entry) => (isThisEngine ? 0 : isThisNode ? 1 : 2);
    entries.sort((a, b) => rank(a) - rank(b) || (a.usedAt < b.usedAt ? 1 : -1));
    const artifacts: InfoArtifact[] = [];
    for (const entry of entries) artifacts.push(await inspect(entry, context, module));
    const key = keys[0] ?? prefix;
    const name = artifacts.length > 0 ? (await readModuleNames(directory))(key) : null;
    return { directory, engine: engineId, key, name, module: module?.file ?? null, artifacts };
  },

  render({ directory, key, name, module, artifacts }, colors) {
    const file = module === null ? undefined : shownPath(module);
    if (artifacts.length === 0) {
      const advice = file === undefined ? '' : `\nWhat to do: wasm-cache why ${file}`;
      return `Nothing is stored for ${file === undefined ? key : `${file}, key ${key}`} in ${directory}.${advice}`;
    }
    const moduleSize = artifacts.find((artifact) => artifact.moduleSize !== null)?.moduleSize ?? null;
    const facts = [file, moduleSize === null ? undefined : formatSize(moduleSize)].filter(Boolean).join(', ');
    const head = list(
      [
        ['Key', colors.bold(key)],
        ['Name', name ?? undefined],
        ['Module', facts || undefined],
      ],
      colors,
    );
    return [head, ...artifacts.map((artifact) => renderArtifact(artifact, colors))].join('\n\n');
  },

  exitCode: ({ artifacts }) => (artifacts.length === 0 ? ExitCode.finding : ExitCode.ok),
};

/** Whether it is a key, or the start of one, and not a file. @throws {UsageError} for what cannot be either. */
function isKey(given: string): boolean {
  const expected = `a key has ${KEY_DIGITS} hexadecimal digits, and its first ${MIN_PREFIX} may be enough`;
  if (/^[0-9a-f]+$/i.test(given)) {
    if (given.length >= MIN_PREFIX && given.length <= KEY_DIGITS) return true;
    throw new UsageError(`${given} is not a key: ${expected}`);
  }
  if (/[./\\]/.test(given) || fs.existsSync(given)) return false;
  throw new UsageError(`${given} is not a file here, and not a key: ${expected}`);
}

async function inspect(entry: Entry, context: Context, module: ModuleFile | undefined): Promise<InfoArtifact> {
  const { settings, engineId } = context;
  const notForThisEngine = whyNotThisEngine(entry.engine.id, engineId);
  const { deaths, goodTries } = new CrashGuard(entry.file).quarantine() ?? {};
  const quarantine = deaths === undefined || goodTries === undefined ? null : { deaths, goodTries };
  const inspected: InfoArtifact = {
    ...entry,
    signature: null,
    functions: null,
    missing: null,
    quarantine,
    notForThisEngine,
  };
  if (entry.damage !== null) return inspected;
  try {
    const bytes = await readArtifactBytes(context, entry.file);
    const artifact = decodeArtifact(bytes);
    inspected.signature = signatureOf(bytes, artifact, settings.secrets);
    inspected.missing = artifact.observedFor > 0 ? artifact.missing : null;
    inspected.functions = functionsOf(artifact.nativeCode, artifact.wireBytes ?? module?.wireBytes, entry.engine.v8);
  } catch (error) {
    inspected.damage = (error as Error).message;
  }
  return inspected;
}

function signatureOf(
  bytes: Uint8Array,
  { nativeCode, wireBytes }: Artifact,
  secrets: readonly string[] | undefined,
): InfoArtifact['signature'] {
  if (!isSigned(bytes)) return 'none';
  if (!secrets) return 'unchecked';
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
    return null; // The layout of that V8 is not known here.
  }
}

const SIGNATURES = {
  none: 'none',
  valid: 'valid',
  'other-secret': 'of another secret',
  unchecked: 'not checked: no secret is set',
};

function covers(missing: number | null): string | null {
  if (missing === null) return null;
  const what = missing === 0 ? 'all' : `all but ${missing}`;
  return `${what} of the functions that ran in the last run that was looked at`;
}

function renderArtifact(artifact: InfoArtifact, colors: Colors): string {
  const { engine, size, nativeCodeSize, coverage, generation, final, functions, missing, signature, file } = artifact;
  const { bypassedUntil, quarantine, notForThisEngine, writtenAt, usedAt, damage } = artifact;
  const nativeCode = nativeCodeSize === null ? '' : `, ${formatSize(nativeCodeSize)} of it native code`;
  const ofFunctions = functions && `${functions.optimised} of ${functions.declared} optimised`;
  const executed = functions && functions.executed > 0 ? `, ${functions.executed} more ran` : '';
  const facts: [name: string, value: string | null | false][] = [
    ['Size', `${formatSize(size)}${nativeCode}`],
    ['Coverage', coverage && `${coverage}, generation ${generation}${final ? ', final' : ''}`],
    ['Functions', ofFunctions && `${ofFunctions}${executed}`],
    ['Covers', covers(missing)],
    ['Signature', signature && SIGNATURES[signature]],
    ['Written', writtenAt && formatAge(writtenAt)],
    ['Used', `${formatAge(usedAt)} (to the hour)`],
    ['Damaged', damage && colors.red(damage)],
    ['Bypassed', bypassedUntil && colors.yellow(`until ${bypassedUntil}: loading it did not pay`)],
    ['Quarantine', quarantine && colors.red(`${quarantine.deaths} loads of it did not finish`)],
    ['Not here', notForThisEngine.length > 0 && colors.yellow(notForThisEngine.join('; '))],
    ['File', file],
  ];
  const name = engine.isThisEngine ? colors.green(`${engineName(engine)}, as here`) : engineName(engine);
  return `${name}\n${list(
    facts.map(([title, value]) => [`  ${title}`, value || undefined]),
    colors,
  )}`;
}
