// round-trip.ts runs this twice, with the hook. Compiles a module that is large enough for the hook. The first process runs it until V8 has
// optimised it, and saves it at the exit.
import fs from 'node:fs';
import { moduleCacheStats, V8Engine } from '../../index.js';
import { optimise, sumModule } from '../../testing/modules.js';
import type { RoundTripAnswer } from './round-trip.js';

/** The descriptor for the answer. Programs that NODE_OPTIONS loads may print to the others. */
const ANSWER = 3;

const wireBytes = sumModule({ padding: 100_000 });
const start = performance.now();
const module = new WebAssembly.Module(wireBytes);
const compileMs = performance.now() - start;
const engine = new V8Engine();
const { hits } = moduleCacheStats();
if (hits === 0) await optimise(module, (each) => engine.serialize(each));
const answer: RoundTripAnswer = { hits, compileMs };
fs.writeSync(ANSWER, JSON.stringify(answer));
// Kept until the exit, as a program keeps its instances. Garbage would not be saved.
process.on('exit', () => module);
