import { type Artifact, checkSignature, decodeArtifact } from '../../artifact/artifact.js';
import { checkExpectation, isSigned } from '../../artifact/header.js';
import { Signer } from '../../artifact/signature.js';
import { CacheError } from '../../cache-error.js';
import { CrashGuard } from '../../caches/crash-guard.js';
import { RemoteCache } from '../../caches/remote.js';
import { isBypassed } from '../../learning/saving-policy.js';
import { sourceOf } from '../../settings/sources.js';
import { openStore } from '../../stores/open-store.js';
import { type Context, checkTrust, readArtifactBytes } from '../context.js';
import type { Entry } from '../folder/entries.js';
import type { ModuleFile } from '../folder/module-file.js';
import { formatSize } from '../terminal/output.js';
import { askNode, type NodeAnswer, type NodeCommand } from './ask-node.js';
import type { Reason, WhyDocument } from './document.js';
import { type EngineOptions, findEngineOptions, whyNotFound } from './other-engines.js';

/** What the question is about. */
export interface Question {
  context: Context;
  module: ModuleFile;
  nodeCommand: NodeCommand;
  /** What that node says about itself and the module. */
  answer: NodeAnswer;
  /** The artifact for that node's engine. */
  artifact: Entry | undefined;
  /** The module's artifacts for other engines. */
  others: Entry[];
}

type Explanation = Pick<WhyDocument, 'source' | 'reasons' | 'optionsOfEngine' | 'loadMilliseconds'>;

/** Milliseconds. Longer than programs wait, to find out why they wait in vain. */
const STORE_TIMEOUT = 5_000;
const REPLACED = 'nothing: the next program that compiles the module replaces it';

/** After these the hook asks the store behind the folder. */
const ASKS_STORE = new Set<Reason['code']>([
  'not-found',
  'other-engine',
  'damaged',
  'unsigned',
  'other-secret',
  'refused',
]);

/** Looks where the hook looks, in the same order. */
export async function explain(question: Question): Promise<Explanation> {
  const miss = { source: null, optionsOfEngine: null, loadMilliseconds: null };
  const { context, nodeCommand, answer, artifact, others } = question;
  const reasons = whyNotLookedFor(question);
  if (reasons.length > 0) return { ...miss, reasons };

  let reason: Reason;
  let options: EngineOptions | undefined;
  if (artifact) {
    const loaded = (await whyNotUsable(question, artifact)) ?? (await load(question, artifact));
    if (typeof loaded === 'number') return { ...miss, source: 'folder', reasons: [], loadMilliseconds: loaded };
    reason = loaded;
  } else {
    if (others.some(({ engine }) => engine.isThisNode)) options = await findEngineOptions(nodeCommand);
    reason = whyNotFound(context.directory, answer.engineId, others, options);
  }
  const inStore = ASKS_STORE.has(reason.code) ? await askStore(question) : undefined;
  const optionsOfEngine = options?.changing ?? null;
  if (inStore === 'hit') return { ...miss, source: 'store', reasons: [], optionsOfEngine };
  return { ...miss, reasons: inStore ? [reason, inStore] : [reason], optionsOfEngine };
}

/** Why the hook does not even look for the module. */
function whyNotLookedFor({ context, module, answer }: Question): Reason[] {
  const { mode, minModuleSize } = context.settings;
  const reasons: Reason[] = [];
  const because = (code: Reason['code'], message: string, advice: string) => reasons.push({ code, message, advice });
  const variable = sourceOf('mode');
  if (mode === 'off' && variable !== undefined) {
    because('disabled', `the cache is turned off by ${variable}`, `unset ${variable.replace(/=.*/, '')}`);
  }
  if (answer.unsupported !== null) {
    const advice = 'see wasm-cache doctor; if an option of node is the reason, start node without it';
    because('unsupported', `this node cannot use native code: ${answer.unsupported}`, advice);
  }
  if (answer.invalid !== null) {
    because('invalid-module', `Node ${answer.node}: ${answer.invalid}`, 'check how the file was made');
  }
  const size = module.wireBytes.length;
  if (size < minModuleSize) {
    const message = `the module is too small: it has ${formatSize(size)}, and the hook caches modules from ${formatSize(minModuleSize)}`;
    because('too-small', message, `set WASM_CACHE_MIN_MODULE_SIZE to ${size} or less`);
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

async function whyNotUsable({ context, module, answer }: Question, { file }: Entry): Promise<Reason | undefined> {
  const { secrets } = context.settings;
  let bytes: Uint8Array;
  let artifact: Artifact;
  try {
    bytes = await readArtifactBytes(context, file);
    artifact = decodeArtifact(bytes);
    checkExpectation(artifact, { key: module.key, engineId: answer.engineId, wireLength: module.wireBytes.length });
  } catch (error) {
    const { message } = error as Error;
    if (CacheError.is(error, 'Untrusted')) return { code: 'untrusted-artifact', message, advice: 'do what it says' };
    return { code: 'damaged', message: `the artifact is damaged: ${message}`, advice: REPLACED };
  }
  const { nativeCode, wireBytes = module.wireBytes, coverage, bypassedUntil } = artifact;
  try {
    if (secrets) checkSignature(bytes, nativeCode, wireBytes, new Signer(secrets));
  } catch (error) {
    return {
      code: isSigned(bytes) ? 'other-secret' : 'unsigned',
      message: (error as Error).message,
      advice:
        'let programs make it again with this secret: wasm-cache verify shows all such artifacts, wasm-cache clear removes them',
    };
  }
  if (isBypassed(artifact, Date.now())) {
    const until = new Date(bypassedUntil * 60_000).toISOString();
    const message = `the hook bypasses it until ${until}, because loading it took longer than it saved, or ended processes`;
    return { code: 'bypassed', message, advice: 'wait, or remove the file; a slow disk is the usual reason' };
  }
  if (coverage === 'none') {
    const message = 'V8 had optimised none of its functions when it was stored';
    return { code: 'nothing-optimised', message, advice: 'run the program again, for longer' };
  }
  const quarantine = new CrashGuard(file).quarantine();
  if (!quarantine) return undefined;
  const message = `it is in quarantine: ${quarantine.deaths} processes ended while they loaded it`;
  const advice = 'nothing, if somebody killed these processes: it is tried again; otherwise please report it';
  return { code: 'quarantined', message, advice };
}

/** The milliseconds of a load in a process of its own, or why V8 refuses it. Does not count as a use. */
async function load({ context, nodeCommand, module }: Question, { file }: Entry): Promise<number | Reason> {
  const question = { module: module.file, artifact: file, directory: context.directory };
  try {
    const { loadMilliseconds, refused } = await askNode(nodeCommand, question);
    return loadMilliseconds ?? { code: 'refused', message: `V8 refuses it: ${refused}`, advice: REPLACED };
  } catch (error) {
    return { code: 'refused', message: `a process that loaded it: ${(error as Error).message}`, advice: REPLACED };
  }
}

/** `undefined` when no store is used. */
async function askStore({ context, module, answer }: Question): Promise<Reason | 'hit' | undefined> {
  const { remote, secrets: secret, mode } = context.settings;
  if (!remote || remote.mode === 'write-only' || mode !== 'read-write') return undefined;
  const { allowUnsigned } = remote;
  const cache = new RemoteCache(await openStore(remote.url), { secret, allowUnsigned, timeout: STORE_TIMEOUT });
  const { key, wireBytes } = module;
  try {
    await cache.fetch({ key, engineId: answer.engineId, wireLength: wireBytes.length });
    return 'hit';
  } catch (error) {
    const { message } = error as Error;
    if (CacheError.is(error, 'NotFound')) return { code: 'not-in-store', message, advice: null };
    return { code: 'store-failed', message, advice: 'see wasm-cache doctor, which asks the store' };
  } finally {
    await cache.close();
  }
}
