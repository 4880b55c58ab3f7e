// Run by ask-node.ts in a process of its own. Reports the engine of that process, and whether its V8 takes a module and an artifact. Loading
// machine code may end a process, so it must not happen in the process that reports the result.
import fs from 'node:fs';
import { decodeArtifact } from '../../artifact/artifact.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { createContext } from '../context.js';
import type { NodeAnswer, NodeQuestion } from './ask-node.js';

/** The descriptor for the answer. Programs that node's options load may print to the others. */
const ANSWER = 3;

const { module, artifact, directory } = JSON.parse(process.argv[2] as string) as NodeQuestion;
if (directory !== undefined) createContext({ dir: directory }, true); // Uses the folder's verdict on this V8.
const engine = new V8Engine();
const answer: NodeAnswer = {
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
  if (artifact !== undefined) load(wireBytes, artifact);
  else compile(wireBytes);
}
fs.writeSync(ANSWER, JSON.stringify(answer));

function compile(wireBytes: Uint8Array<ArrayBuffer>): void {
  try {
    const compiled = new WebAssembly.Module(wireBytes);
    answer.imports = [...new Set(WebAssembly.Module.imports(compiled).map(({ module: from }) => from))];
  } catch (error) {
    answer.invalid = (error as Error).message;
  }
}

function load(wireBytes: Uint8Array, file: string): void {
  try {
    const { nativeCode } = decodeArtifact(fs.readFileSync(file));
    const exact = new Uint8Array(nativeCode);
    const start = performance.now();
    engine.deserialize(exact, wireBytes);
    answer.loadMilliseconds = performance.now() - start;
  } catch (error) {
    answer.refused = (error as Error).message;
  }
}
