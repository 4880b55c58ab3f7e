import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { knownV8, V8_VERSIONS, v8Version } from '../../dist/engine/v8-versions.js';

it('a version of V8 is its first two numbers', () => {
  assert.equal(v8Version('14.6.202.34-node.18'), '14.6');
  assert.equal(knownV8('14.6.1.2'), V8_VERSIONS['14.6']);
  assert.equal(knownV8('14.61.1.2'), undefined);
});

it('this V8 is known and tested', () => {
  assert.equal(knownV8()?.isTested, true, `V8 ${process.versions.v8}`);
});

it('each flag is set back to the default of this V8', () => {
  const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  const defaults = new Set([...stdout.matchAll(/default: (\S+)/g)].map(([, value]) => value));
  const known = V8_VERSIONS[v8Version()];
  assert.ok(known);
  assert.ok(defaults.has(`--wasm-tiering-budget=${known.tieringBudget}`));
  for (const [set, reset] of known.aheadOfTime) {
    assert.notEqual(set, reset);
    assert.ok(defaults.has(reset), reset);
  }
});
