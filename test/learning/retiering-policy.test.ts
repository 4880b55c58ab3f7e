import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Restored, retierAfter } from '../../dist/learning/retiering-policy.js';

const restored = (changes: Partial<Restored> = {}): Restored => ({
  coverage: 'hot',
  hasLearnerCode: true,
  optimisedFor: 0,
  ...changes,
});

const cases: [what: string, artifact: Restored, canSave: boolean, expected: number | undefined][] = [
  ["V8's own code stays", restored({ hasLearnerCode: false }), true, undefined],
  ['light runs only', restored({ optimisedFor: 5 }), true, 100],
  ['a run of a second', restored({ optimisedFor: 1000 }), true, 2000],
  ['a run of an hour', restored({ optimisedFor: 3_600_000 }), true, 7_200_000],
  ['no run at all', restored({ coverage: 'full' }), true, 500],
  ['an image that nobody can write to', restored({ coverage: 'full' }), false, 5000],
  ['a long run before, and nothing can be saved', restored({ optimisedFor: 10_000 }), false, 20_000],
];
for (const [what, artifact, canSave, expected] of cases) {
  test(what, () => assert.equal(retierAfter(artifact, canSave), expected));
}
