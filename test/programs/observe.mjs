// Restores the module of everything.ts from native code, and prints which functions are optimised and the results of all.
import { readFileSync } from 'node:fs';
import { observeEverything } from '../../.test-build/support/everything.js';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { V8Engine } from '../../dist/index.js';

const [wireBytes, nativeCode] = process.argv.slice(2).map((file) => readFileSync(file));
const engine = new V8Engine();
const module = engine.deserialize(nativeCode, wireBytes);
const again = engine.serialize(module);
const optimised = again ? [...readNativeCode(again, countFunctions(wireBytes)).optimised] : [];
console.log(JSON.stringify({ optimised, observed: observeEverything(module) }));
