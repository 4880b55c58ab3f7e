// Run in a process of its own by ask-engine.ts: tells what the V8 of that process is, and whether it takes a module and an artifact. Loading
// machine code may end a process, so it is not done in the one that reports it.
import fs from 'node:fs';
import { decodeArtifact } from '../../artifact/artifact.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { createContext } from '../context.js';
import type { ProbeAnswer, ProbeQuestion } from './ask-engine.js';

/** The descriptor that the answer goes to; programs that node's options load may print. */
const ANSWER = 3;

const { module, artifact, directory } = JSON.parse(process.argv[2] as string) as ProbeQuestion;
if (directory !== undefined) createContext({ dir: directory }, true); // which looks for a verdict
const engine = new V8Engine();
const answer: ProbeAnswer = {
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
