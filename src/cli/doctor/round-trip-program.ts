// Run twice by round-trip.ts, in processes of their own, under the hook: compiles a module over the hook's threshold, and works with it until
// V8 has optimised it, which the first of them saves when it ends.
import fs from 'node:fs';
import { moduleCacheStats, V8Engine } from '../../index.js';
import { optimise, sumModule } from '../../testing/modules.js';
import type { RoundTripAnswer } from './round-trip.js';

/** The descriptor that the answer goes to; programs that NODE_OPTIONS loads may print. */
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
// Until the exit, as a program has its instances: what is garbage by then is not saved.
process.on('exit', () => module);
