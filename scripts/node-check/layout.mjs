// Whether this V8 lays out native code as the table says, or as it says of another version.
import { fileURLToPath } from 'node:url';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { V8_VERSIONS } from '../../dist/engine/v8-versions.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { probeModule } from '../../dist/probe/module.js';
import { run, TABLE } from './node.mjs';

const step = fileURLToPath(new URL('../../dist/probe/step-process.js', import.meta.url));
const FILE = `${TABLE}, layout`;

export function checkLayout({ binary, v8Version }) {
  const isTested = V8_VERSIONS[v8Version]?.isTested === true;
  const tested = {
    what: `an entry for V8 ${v8Version} that is tested`,
    status: isTested ? 'ok' : 'breaks',
    found: isTested ? 'it is there' : 'there is none: programs try this V8, and learn nothing',
    todo: isTested
      ? ''
      : `${TABLE}: add '${v8Version}'; isTested when all else is well here, and the matrix and the spec suite pass`,
  };
  const { output } = run(binary, [step, 'save'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const what = 'records of native code';
  if (!output?.[3]) return [tested, { what, status: 'breaks', found: 'V8 saved nothing: see the probe', todo: FILE }];
  const nativeCode = new Uint8Array(Buffer.from(JSON.parse(output[3]).nativeCode, 'base64'));
  const functions = countFunctions(probeModule());
  const failures = new Map();
  for (const version of Object.keys(V8_VERSIONS)) {
    try {
      const { optimised } = readNativeCode(nativeCode, functions, version);
      if (optimised.size === 0) throw new RangeError('no function is optimised');
    } catch (error) {
      failures.set(version, error.message);
    }
  }
  const fitting = Object.keys(V8_VERSIONS).filter((version) => !failures.has(version));
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
