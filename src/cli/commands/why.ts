import fs from 'node:fs';
import path from 'node:path';
import { type Artifact, checkSignature, decodeArtifact } from '../../artifact/artifact.js';
import { checkExpectation, isSigned } from '../../artifact/header.js';
import { Signer } from '../../artifact/signature.js';
import { CacheError } from '../../cache-error.js';
import { CrashGuard } from '../../caches/crash-guard.js';
import { entryName } from '../../caches/file-system.js';
import { RemoteCache } from '../../caches/remote.js';
import { whyNotThisEngine } from '../../engine/engine-id.js';
import { isBypassed } from '../../learning/saving-policy.js';
import { openStore } from '../../stores/open-store.js';
import type { Command } from '../command.js';
import { type Context, checkTrust, shownPath } from '../context.js';
import { ExitCode } from '../exit-codes.js';
import { type Entry, type EntryEngine, engineName, entryEngine, readContents } from '../folder/entries.js';
import { type ModuleFile, readModuleFile } from '../folder/module-file.js';
import { askEngine, checkNodeOptions, type NodeCommand, type ProbeAnswer } from '../processes/ask-engine.js';
import { type Colors, formatDuration, formatSize, list } from '../terminal/output.js';

export interface WhyOptions {
  node?: string;
}

export interface WhyDocument {
  /** The absolute path of the module. */
  module: string;
  moduleSize: number;
  key: string;
  directory: string;
  /** How the node was started that was asked. */
  node: { binary: string; options: string[]; nodeOptions: string | null };
  engine: EntryEngine;
  /** Whether a program in that node would get it from the cache. */
  hit: boolean;
  /** Where from. */
  source: 'folder' | 'store' | null;
  /** Why not; what counts first comes first. Empty for a hit. */
  reasons: Reason[];
  /** What there is for this engine. */
  artifact: Entry | null;
  /** What there is of the same module for others, the closest first. */
  others: { artifact: Entry; why: string[] }[];
  /** Those options of that node that change V8's flags, and so its engine; `null` where that was not to be found out. */
  optionsOfEngine: string[] | null;
  /** What it took a process to load it; of a hit in the folder. */
  loadMilliseconds: number | null;
  /** What would matter for some programs. */
  notes: string[];
}

export interface Reason {
  code:
    | 'disabled'
    | 'invalid-module'
    | 'too-small'
    | 'unsupported'
    | 'untrusted-folder'
    | 'not-found'
    | 'other-engine'
    | 'damaged'
    | 'unsigned'
    | 'other-secret'
    | 'bypassed'
    | 'nothing-optimised'
    | 'suspect'
    | 'refused'
    | 'not-in-store'
    | 'store-failed';
  message: string;
  /** What to do about it. */
  advice: string | null;
}

export const command: Command<WhyOptions, WhyDocument> = {
  async run(context, { node = process.execPath }, [given = '', ...options]) {
    checkNodeOptions(options);
    const module = await readModuleFile(given);
    const nodeCommand: NodeCommand = { node, options, nodeOptions: process.env.NODE_OPTIONS || undefined };
    const probe = await askEngine(nodeCommand, { module: module.file, directory: context.directory });
    const { directory } = context;
    const key = module.key.toString();
    const place = path.join(directory, entryName({ key: module.key, engineId: probe.engineId }));
    const { entries: ofModule } = await readContents(directory, probe.engineId, (found) => found.key === key);
    const others = ofModule.filter(({ file }) => file !== place);
    others.sort((a, b) => Number(b.engine.isThisNode) - Number(a.engine.isThisNode));
    const asked: Asked = { context, module, nodeCommand, probe, others };
    const artifact = ofModule.find(({ file }) => file === place);

    const verdict = await judge(asked, artifact);
    return {
      ...{ module: module.file, moduleSize: module.wireBytes.length, key, directory },
      node: { binary: node, options, nodeOptions: nodeCommand.nodeOptions ?? null },
      engine: entryEngine(probe.engineId, probe.engineId),
      hit: verdict.source !== null,
      ...verdict,
      artifact: artifact ?? null,
      others: others.map((other) => ({ artifact: other, why: whyNotThisEngine(other.engine.id, probe.engineId) })),
      notes: notes(probe),
    };
  },

  render: renderWhy,

  exitCode: ({ hit }) => (hit ? ExitCode.ok : ExitCode.finding),
};

/** What the question is about. */
interface Asked {
  context: Context;
  module: ModuleFile;
  nodeCommand: NodeCommand;
  probe: ProbeAnswer;
  /** What there is of the module for other engines. */
  others: Entry[];
}

type Verdict = Pick<WhyDocument, 'source' | 'reasons' | 'optionsOfEngine' | 'loadMilliseconds'>;

/** In the order in which the hook looks. */
async function judge(asked: Asked, artifact: Entry | undefined): Promise<Verdict> {
  const miss = { source: null, optionsOfEngine: null, loadMilliseconds: null };
  const before = withoutLooking(asked);
  if (before.length > 0) return { ...miss, reasons: before };

  let reason: Reason;
  let options: OptionsOfEngine | undefined;
  if (artifact) {
    const outcome = (await whyNotUsable(asked, artifact)) ?? (await load(asked, artifact));
    if (typeof outcome === 'number') return { ...miss, source: 'folder', reasons: [], loadMilliseconds: outcome };
    reason = outcome;
  } else {
    if (asked.others.some(({ engine }) => engine.isThisNode)) options = await findOptionsOfEngine(asked);
    reason = notFound(asked, options);
  }
  const inStore = ASKS_STORE.has(reason.code) ? await whyNotInStore(asked) : undefined;
  const optionsOfEngine = options?.changing ?? null;
  if (inStore === 'hit') return { ...miss, source: 'store', reasons: [], optionsOfEngine };
  return { ...miss, reasons: inStore ? [reason, inStore] : [reason], optionsOfEngine };
}

/** Those after which the hook asks the store behind the folder. */
const ASKS_STORE = new Set<Reason['code']>([
  'not-found',
  'other-engine',
  'damaged',
  'unsigned',
  'other-secret',
  'refused',
]);

/** What keeps the module from being looked for at all. */
function withoutLooking({ context, module, probe }: Asked): Reason[] {
  const { settings } = context;
  const reasons: Reason[] = [];
  const because = (code: Reason['code'], message: string, advice: string) => reasons.push({ code, message, advice });
  const variable = settings.sources.mode;
  if (settings.mode === 'off' && variable !== undefined) {
    because('disabled', `the cache is turned off by ${variable}`, `unset ${variable.replace(/=.*/, '')}`);
  }
  if (probe.unsupported !== null) {
    const advice =
      'wasm-cache doctor tells more of this Node; start node without the option that turns it off, if it is one';
    because('unsupported', `native code cannot be used in this node: ${probe.unsupported}`, advice);
  }
  if (probe.invalid !== null) {
    because('invalid-module', `Node ${probe.node}: ${probe.invalid}`, 'check how the file was made');
  }
  const size = module.wireBytes.length;
  if (size < settings.minModuleSize) {
    const limit = `${formatSize(size)} is less than the ${formatSize(settings.minModuleSize)} from which looking pays`;
    because('too-small', `the module is too small: ${limit}`, `set WASM_CACHE_MIN_MODULE_SIZE to ${size} or less`);
  }
  try {
    checkTrust(context);
  } catch (error) {
    if (!CacheError.is(error, 'Untrusted')) throw error;
    because(
      'untrusted-folder',
      error.message,
      'do what it says, or set WASM_CACHE_SECRET so that artifacts are signed',
    );
  }
  return reasons;
}

async function whyNotUsable({ context, module, probe }: Asked, { file }: Entry): Promise<Reason | undefined> {
  const { secrets } = context.settings;
  const replaced = 'nothing: the next program that compiles it replaces it';
  const sign = 'have it made again with this secret: wasm-cache verify shows all such, wasm-cache clear removes them';
  let artifact: Artifact;
  const bytes = await fs.promises.readFile(file);
  try {
    artifact = decodeArtifact(bytes);
    checkExpectation(artifact, { key: module.key, engineId: probe.engineId, wireLength: module.wireBytes.length });
  } catch (error) {
    return { code: 'damaged', message: `the artifact is damaged: ${(error as Error).message}`, advice: replaced };
  }
  const { nativeCode, wireBytes = module.wireBytes, coverage, bypassedUntil } = artifact;
  try {
    if (secrets) checkSignature(bytes, nativeCode, wireBytes, new Signer(secrets));
  } catch (error) {
    const code = isSigned(bytes) ? 'other-secret' : 'unsigned';
    return { code, message: (error as Error).message, advice: sign };
  }
  if (isBypassed(artifact, Date.now())) {
    const until = new Date(bypassedUntil * 60_000).toISOString();
    const message = `it is left to V8 until ${until}, because loading it took longer than it saved, or ended processes`;
    return { code: 'bypassed', message, advice: 'wait, or remove the file; a slow disk is the usual reason' };
  }
  if (coverage === 'none') {
    const message = 'V8 had optimised nothing of it when it was stored';
    return { code: 'nothing-optimised', message, advice: 'run the program again, for longer' };
  }
  const suspect = new CrashGuard(file).suspect();
  if (!suspect) return undefined;
  const message = `${suspect.deaths} processes ended while they loaded it, so it is not loaded until tries went well`;
  return { code: 'suspect', message, advice: 'nothing, if they were killed by somebody; else please report it' };
}

/** What it took, in milliseconds, or why V8 does not take it. In a process of its own, and not a use. */
async function load({ context, nodeCommand, module }: Asked, { file }: Entry): Promise<number | Reason> {
  const advice = 'nothing: the next program that compiles it replaces it';
  try {
    const { loadMilliseconds, refused } = await askEngine(nodeCommand, {
      ...{ module: module.file, artifact: file, directory: context.directory },
    });
    return loadMilliseconds ?? { code: 'refused', message: `V8 does not take it: ${refused}`, advice };
  } catch (error) {
    return { code: 'refused', message: `a process that tried to load it: ${(error as Error).message}`, advice };
  }
}

function notFound({ context, others, probe }: Asked, options: OptionsOfEngine | undefined): Reason {
  const run = 'run a program that uses it with node --import wasm-module-cache/register';
  const [closest] = others;
  if (!closest) {
    return { code: 'not-found', message: `nothing is stored for it in ${context.directory}`, advice: run };
  }
  const [why] = whyNotThisEngine(closest.engine.id, probe.engineId);
  const ownRun = `${run}, in this node`;
  if (!closest.engine.isThisNode) {
    return { code: 'other-engine', message: `it is stored for another engine only: ${why}`, advice: ownRun };
  }
  if (!options?.changing.length) {
    const none = options?.given ? '; none of the options given changes them' : '';
    return { code: 'other-engine', message: `it is stored for this Node, but with ${why}${none}`, advice: ownRun };
  }
  const changing = options.changing.join(' ');
  const message = `it is stored for this Node with other V8 flags: of the options given ${changing} changes them`;
  const isStoredWithout = others.some(({ engine }) => engine.id === options.engineIdWithout);
  return { code: 'other-engine', message, advice: isStoredWithout ? `leave that out, or ${ownRun}` : ownRun };
}

interface OptionsOfEngine {
  /** Whether there are any options at all. */
  given: boolean;
  /** Those with which this node has another engine. */
  changing: string[];
  /** That of this node without any option. */
  engineIdWithout: string;
}

/** `undefined` where it cannot be found out. */
async function findOptionsOfEngine({ nodeCommand }: Asked): Promise<OptionsOfEngine | undefined> {
  const { node, options, nodeOptions = '' } = nodeCommand;
  const given = [...new Set([...options, ...nodeOptions.split(/\s+/)])].filter((option) => option.startsWith('-'));
  const engineIdWith = async (...each: string[]) =>
    (await askEngine({ node, options: each, nodeOptions: undefined })).engineId;
  try {
    const engineIdWithout = await engineIdWith();
    const changing: string[] = [];
    for (const option of given) {
      // What cannot stand alone has a value, and loads code or the like.
      const engineId = await engineIdWith(option).catch(() => engineIdWithout);
      if (engineId !== engineIdWithout) changing.push(option);
    }
    return { given: given.length > 0, changing, engineIdWithout };
  } catch {
    return undefined;
  }
}

/** `undefined` where there is no store. */
async function whyNotInStore({ context, module, probe }: Asked): Promise<Reason | 'hit' | undefined> {
  const { remote, secrets, mode } = context.settings;
  if (!remote || remote.mode === 'write-only' || mode !== 'read-write') return undefined;
  const store = await openStore(remote.url);
  const { allowUnsigned } = remote;
  const cache = new RemoteCache(store, {
    ...(secrets ? { secret: secrets } : {}),
    allowUnsigned,
    timeout: STORE_TIMEOUT,
  });
  const { key, wireBytes } = module;
  try {
    await cache.fetch({ key, engineId: probe.engineId, wireLength: wireBytes.length });
    return 'hit';
  } catch (error) {
    const { message } = error as Error;
    if (CacheError.is(error, 'NotFound')) return { code: 'not-in-store', message, advice: null };
    return { code: 'store-failed', message, advice: 'wasm-cache doctor tells more of the store' };
  } finally {
    await cache.close();
  }
}

/** Milliseconds: longer than programs wait for it, because this is to find out why they wait in vain. */
const STORE_TIMEOUT = 5_000;

function notes({ imports }: ProbeAnswer): string[] {
  const builtin = imports.filter((name) => name.startsWith('wasm:'));
  if (builtin.length === 0) return [];
  return [
    `It imports from ${builtin.join(', ')}: a program that compiles it with options (builtins) gets it from V8 alone, because those ` +
      'options become part of the code.',
  ];
}

function renderWhy(document: WhyDocument, colors: Colors): string {
  const { hit, source, module, moduleSize, key, engine, artifact, reasons, others, loadMilliseconds } = document;
  const { options, nodeOptions } = document.node;
  const name = colors.bold(shownPath(module));
  const took = loadMilliseconds === null ? '' : `, loaded in ${formatDuration(loadMilliseconds)}`;
  const isInvalid = reasons.some(({ code }) => code === 'invalid-module');
  const head = hit
    ? `${colors.green('hit')}: ${name} comes from the ${source}${took}`
    : `${colors.red('miss')}: ${name} is ${isInvalid ? 'no module that V8 takes' : 'compiled by V8'}`;
  const lines = [head];
  for (const { message, advice } of reasons) {
    lines.push(`  ${colors.bold('why')}  ${message}`);
    if (advice !== null) lines.push(`  ${colors.bold('do')}   ${advice}`);
  }
  const given = [options.join(' '), nodeOptions === null ? '' : `NODE_OPTIONS=${nodeOptions}`]
    .filter(Boolean)
    .join(', ');
  lines.push(
    '',
    list(
      [
        ['Key', key],
        ['Module', formatSize(moduleSize)],
        ['Engine', `${engine.id}${given && `, with ${given}`}`],
        ['Artifact', artifact ? `${formatSize(artifact.size)}, coverage ${artifact.coverage ?? 'unknown'}` : undefined],
        ['File', artifact?.file],
      ],
      colors,
    ),
  );
  if (others.length > 0) lines.push('', 'For other engines:');
  for (const { artifact: other, why } of others) lines.push(`  ${engineName(other.engine)}: ${why.join('; ')}`);
  for (const note of document.notes) lines.push('', note);
  return lines.join('\n');
}
