import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, it, test } from 'node:test';
import { readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions } from '../../dist/engine/wasm-binary.js';
import { sumModule } from '../../dist/testing/modules.js';
import { optimiseInChild } from '../support/ahead-of-time.js';
import { everythingModule } from '../support/everything.js';
import { root, runProgram, temporaryDirectory } from '../support/processes.js';
import { codeSection, moduleOf, section } from '../support/wasm-binary.js';

const { resolve } = createRequire(path.join(root, 'package.json'));
const [v8 = 0] = process.versions.v8.split('.').map(Number);

function written(wireBytes: Uint8Array): string {
  const file = path.join(temporaryDirectory(), 'module.wasm');
  writeFileSync(file, wireBytes);
  return file;
}

describe('the code of a function does not depend on the bodies of the others:', () => {
  // All functions of small modules. Of large ones only as many as a test has time for: many functions together, compared with few.
  const magick = path.join(path.dirname(resolve('@imagemagick/magick-wasm/magick.wasm')), '../x86/magick.wasm');
  const comparisons: [name: string, file: string, whole: string, parts: number[]][] = [
    ['sumModule', written(sumModule()), 'all', [1, 1]],
    // One of its 33 functions looks like a stub.
    ['everythingModule', written(everythingModule()), 'all', [1, 2, 5, 10, 20, 32]],
    ['sql.js', resolve('sql.js/dist/sql-wasm.wasm'), 'all', [1, 10, 100, 1000, 1900]],
    ['@swc/wasm', resolve('@swc/wasm/wasm_bg.wasm'), '600', [1, 50, 300]],
    ['@imagemagick/magick-wasm', magick, '600', [1, 50, 300]],
  ];
  for (const [name, file, whole, parts] of comparisons) {
    it(name, () => {
      const result = runProgram('same-code.mjs', { args: [file, whole, ...parts.map(String)] });
      assert.deepEqual([result.status, result.signal, result.stderr], [0, null, '']);
      const { declared, reference, compared, byChance, different, sameFlags } = JSON.parse(result.stdout);
      assert.deepEqual(different, []);
      assert.equal(reference, whole === 'all' ? declared : Number(whole));
      assert.equal(
        compared,
        parts.reduce((sum, part) => sum + part),
      );
      assert.ok(byChance <= (v8 < 13 ? compared / 50 : 0), `${byChance} functions were compiled in several ways`);
      assert.equal(sameFlags, true);
    });
  }
});

test('coverage full optimises all functions', () => {
  for (const wireBytes of [sumModule(), everythingModule(), readFileSync(resolve('sql.js/dist/sql-wasm.wasm'))]) {
    const functions = countFunctions(wireBytes);
    const { optimised, executed } = readNativeCode(optimiseInChild(wireBytes, undefined, 'full'), functions);
    assert.deepEqual([optimised.size, executed.size], [functions.declared, 0]);
  }
});

/** Optimises these modules in one process, and returns the outcome of each. */
function outcomesOf(modules: Uint8Array[], nodeOptions: string[] = []) {
  const jobs = modules.map((wireBytes) => {
    const file = written(wireBytes);
    return { wireBytes: file, coverage: 'full', result: `${file}.native-code` };
  });
  const result = runProgram('optimise.mjs', { args: [JSON.stringify(jobs)], nodeOptions });
  assert.deepEqual([result.status, result.signal, result.stderr], [0, null, '']);
  return JSON.parse(result.stdout);
}

test("V8's flags are what they were before, also when compiling fails", () => {
  const broken = moduleOf(section(1, [1, 0x60, 0, 1, 0x7f]), section(3, [1, 0]), codeSection([[0, 0x0b]]));
  const nothing = moduleOf();
  const notAModule = new Uint8Array(100);
  assert.deepEqual(outcomesOf([sumModule(), broken, nothing, notAModule, everythingModule()]), {
    outcomes: ['optimised', 'CacheError Serialize', 'CacheError Serialize', 'RangeError', 'optimised'],
    sameFlags: true,
  });
});

/** The flags that compiling ahead of time switches off and on again. */
const FLAGS: Record<number, string[]> = {
  11: ['wasm-lazy-compilation', 'liftoff', 'wasm-dynamic-tiering'],
  12: ['wasm-lazy-compilation', 'liftoff', 'wasm-dynamic-tiering'],
  13: ['wasm-lazy-compilation', 'liftoff', 'wasm-inlining'],
  14: ['wasm-lazy-compilation', 'liftoff', 'wasm-inlining', 'wasm-inlining-call-indirect'],
};

for (const flag of FLAGS[v8] ?? []) {
  test(`with --no-${flag} on the command line it is an error, and not an artifact under other flags`, () => {
    assert.deepEqual(outcomesOf([everythingModule()], [`--no-${flag}`]).outcomes, ['CacheError Serialize']);
  });
}

for (const option of ['--stack-size=1500', '--expose-gc', '--max-old-space-size=500', '--no-opt']) {
  test(`with ${option} on the command line it is an artifact under that flag`, () => {
    assert.deepEqual(outcomesOf([everythingModule()], [option]), { outcomes: ['optimised'], sameFlags: true });
  });
}
