// Whether a node has the intrinsics that the sources call.
import { readdirSync, readFileSync } from 'node:fs';
import { run } from './node.mjs';

const engine = new URL('../../src/engine/', import.meta.url);

export function checkNatives({ binary }) {
  const calls = readdirSync(engine).flatMap((file) => {
    const found = readFileSync(new URL(file, engine), 'utf8').matchAll(/return (%\w+\([^)]*\));/g);
    return [...found].map(([, call]) => ({ call, file }));
  });
  return calls.map(({ call, file }) => {
    const { status, stderr } = run(binary, ['--allow-natives-syntax', '-e', `(function () { return ${call}; })`]);
    const isThere = status === 0;
    return {
      what: call,
      isThere,
      status: 'ok',
      found: isThere ? 'it parses' : (/SyntaxError: .*/.exec(stderr)?.[0] ?? `ended with ${status}`),
      todo: isThere ? '' : `src/engine/${file} does not work there: only the symbols of WasmModuleCompilation are left`,
    };
  });
}
