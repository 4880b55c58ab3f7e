// Runs JavaScript in an interpreter.
import { getQuickJS } from 'quickjs-emscripten';
import { printResult } from './result.mjs';

const quickJs = await getQuickJS();
const result = quickJs.evalCode(`
  const words = [];
  for (let i = 0; i < 20000; i++) words.push((i * 7919 % 10007).toString(36));
  JSON.stringify([words.sort().slice(0, 50), words.filter((w) => /^[a-f]+\\d/.test(w)).length]);
`);
printResult(result);
