import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../support/processes.js';

interface Failure {
  run: string;
  name: string;
  plain: unknown;
  hooked: unknown;
}

interface Conformance {
  passed: number;
  failures: Failure[];
  cacheFiles: number;
}

/**
 * The differences that a program can still see, and why they stay. Any other difference fails the test.
 */
const KNOWN: [name: RegExp, reason: string][] = [
  [/^process: |^child: stderr|^whole run: warnings/, 'one exit listener, and room made for it'],
  [/^patched-globals: .* (wrapped|with species|with setter on index 0|accessor)/, 'counts what the hook itself calls'],
  [
    /^(calling|construct|namespace): .*(Reflect\.construct|newTarget compile|is a constructor|extends from it)/,
    'a text of V8 that quotes the source of a bound function',
  ],
  [/^transfer: structuredClone of proxy of a module/, 'a text of V8 that quotes the constructor of a proxy'],
  [/^namespace: WebAssembly\.Module: caller and arguments/, 'a bound function has neither'],
  [/^promises: then (on|getter on) \w+\.prototype/, 'how often V8 and the hook look whether a result is a thenable'],
  [/^promises: Promise: constructor replaced/, 'await looks at it too'],
  [
    /^promises: (microtasks until settled|order of events|pending right after the call), (compile|instantiate)Streaming\((invalid|wrong type|rejection)\)/,
    'a few microtasks later: the Response is read first',
  ],
  [
    /^promises: (microtasks until settled|order of events|pending right after the call), (compile|instantiate)\(empty\)/,
    'a hit settles in a task',
  ],
];

test('a program sees no difference with the hook, cold and from the cache', async () => {
  const { compareConformance } = (await import(path.join(root, 'test/conformance/run.mjs'))) as {
    compareConformance(options: { register: string }): Conformance;
  };
  const compare = () => {
    const result = compareConformance({ register: path.join(root, 'dist/register.js') });
    const unexpected = result.failures.filter(({ name }) => !KNOWN.some(([known]) => known.test(name)));
    return { ...result, unexpected };
  };
  const { passed, unexpected, cacheFiles } = compare();
  if (unexpected.length > 0) {
    // Some checks wait for V8's background work, which may be late on a busy machine. A real failure happens twice.
    const again = new Set(compare().unexpected.map(({ name }) => name));
    assert.deepEqual(
      unexpected.filter(({ name }) => again.has(name)),
      [],
    );
  }
  assert.ok(cacheFiles > 0, 'the warm runs were served from the cache');
  assert.ok(passed > 20_000, `${passed} comparisons agreed`);
});
