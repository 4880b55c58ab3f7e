// Run by ask-node.ts in a process of its own. Reports the engine of that process, and whether its V8 takes a module and an artifact. Loading
// machine code may end a process, so it must not happen in the process that reports the result.
import fs from 'node:fs';
import { checkSignature, decodeArtifact } from '../../artifact/artifact.js';
import { Signer } from '../../artifact/signature.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { type Context, createContext, readArtifactBytes } from '../context.js';
import type { NodeAnswer, NodeQuestion } from './ask-node.js';

/** The descriptor for the answer. Programs that node's options load may print to the others. */
const ANSWER = 3;

void answer(JSON.parse(process.argv[2] as string));

async function answer({ module, artifact, directory }: NodeQuestion): Promise<void> {
  // Uses the folder's verdict on this V8.
  const context = directory === undefined ? undefined : createContext({ dir: directory }, true);
  const engine = new V8Engine();
  const found: NodeAnswer = {
    engineId: engine.deterministicId,
    node: process.version,
    unsupported: engine.unsupportedReason ?? null,
    invalid: null,
    imports: [],
    loadMilliseconds: null,
    refused: null,
  };
  if (module !== undefined && globalThis.WebAssembly !== undefined) {
    const wireBytes = fs.readFileSync(module);
    if (artifact === undefined || !context) Object.assign(found, compile(wireBytes));
    else Object.assign(found, await load(context, engine, wireBytes, artifact));
  }
  fs.writeSync(ANSWER, JSON.stringify(found));
}

function compile(wireBytes: Uint8Array<ArrayBuffer>): Partial<NodeAnswer> {
  try {
    const compiled = new WebAssembly.Module(wireBytes);
    return { imports: [...new Set(WebAssembly.Module.imports(compiled).map(({ module: from }) => from))] };
  } catch (error) {
    return { invalid: (error as Error).message };
  }
}

/** Checks the artifact again: somebody may have replaced it since this process was started. */
async function load(
  context: Context,
  engine: V8Engine,
  wireBytes: Uint8Array,
  file: string,
): Promise<Partial<NodeAnswer>> {
  try {
    const bytes = await readArtifactBytes(context, file);
    const { nativeCode, wireBytes: own = wireBytes } = decodeArtifact(bytes);
    const { secrets } = context.settings;
    if (secrets) checkSignature(bytes, nativeCode, own, new Signer(secrets));
    const exact = new Uint8Array(nativeCode);
    const start = performance.now();
    engine.deserialize(exact, wireBytes);
    return { loadMilliseconds: performance.now() - start };
  } catch (error) {
    return { refused: (error as Error).message };
  }
}
