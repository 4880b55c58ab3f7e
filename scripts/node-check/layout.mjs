// Whether the layout of native code is the one that is known for this V8, or for another one.

import { fileURLToPath } from 'node:url';
import { LAYOUTS, readNativeCode } from '../../dist/engine/native-code.js';
import { TESTED_V8 } from '../../dist/engine/supported.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { probeModule } from '../../dist/probe/module.js';
import { run } from './node.mjs';

const step = fileURLToPath(new URL('../../dist/probe/step.js', import.meta.url));
const FILE = 'src/engine/native-code.ts, LAYOUTS';

export function checkLayout({ binary, v8Version }) {
  const tested = {
    what: 'TESTED_V8',
    status: TESTED_V8.includes(v8Version) ? 'ok' : 'breaks',
    found: TESTED_V8.includes(v8Version)
      ? `has ${v8Version}`
      : `${v8Version} is not in it: programs try it and learn nothing`,
    todo: TESTED_V8.includes(v8Version) ? '' : `src/engine/supported.ts: add '${v8Version}' when all else is well here`,
  };
  const { output } = run(binary, [step, 'save'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const what = 'records of native code';
  if (!output?.[3]) return [tested, { what, status: 'breaks', found: 'V8 saved nothing: see the probe', todo: FILE }];
  const nativeCode = new Uint8Array(Buffer.from(JSON.parse(output[3]).nativeCode, 'base64'));
  const functions = countFunctions(probeModule());
  const failures = new Map();
  for (const version of Object.keys(LAYOUTS)) {
    try {
      const { optimised } = readNativeCode(nativeCode, functions, version);
      if (optimised.size === 0) throw new RangeError('no function is optimised');
    } catch (error) {
      failures.set(version, error.message);
    }
  }
  const fitting = Object.keys(LAYOUTS).filter((version) => !failures.has(version));
  const isKnown = fitting.includes(v8Version);
  const found =
    fitting.length > 0
      ? `laid out as in V8 ${fitting.join(', ')}`
      : [...failures].map(([version, why]) => `not as in ${version}: ${why}`).join('; ');
  const todo = isKnown
    ? ''
    : fitting.length > 0
      ? `${FILE}: add '${v8Version}' with what '${fitting.at(-1)}' has, and run test/engine/native-code.test.ts on it`
      : `${FILE}: read src/wasm/wasm-serialization.cc of V8 ${v8Version}, and add it; without that nothing is learnt`;
  return [tested, { what, status: isKnown ? 'ok' : 'breaks', found, todo }];
}
