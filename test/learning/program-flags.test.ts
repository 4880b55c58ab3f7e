import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagsAmong } from '../../dist/learning/program-flags.js';

test('only flags of V8 are taken of the options, in their order', () => {
  const listed = `Options:
  --expose-gc (expose gc extension)
        type: bool  default: --no-expose-gc
  --flush-bytecode (flush of bytecode when it has not been executed recently)
        type: bool  default: --flush-bytecode
  --stack-size (default size of stack region v8 is allowed to use (in kBytes))
        type: int  default: --stack-size=984
  --help (Print usage message, including flags, on console)
`;
  const flags = ['--no-flush-bytecode', '--noflush_bytecode', '-expose_gc', '--stack-size=900'];
  const others = ['--import', '--inspect=0', '--cpu-prof', '--help', '--no-warnings', '--stack'];
  assert.deepEqual(flagsAmong([...others, ...flags], listed), flags);
});
