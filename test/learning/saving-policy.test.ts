import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Current,
  type Decision,
  decide,
  isWorthLoading,
  looksAgain,
  type Stored,
} from '../../dist/learning/saving-policy.js';

const NOTHING_STORED: Stored = {
  length: 0,
  generation: 0,
  final: false,
  optimisedFor: 0,
  observedFor: 0,
  isFull: false,
};
const stored = (length: number, generation = 0, final = false): Stored => ({
  length,
  generation,
  final,
  optimisedFor: 0,
  observedFor: 0,
  isFull: false,
});
const current = (length: number, optimised: number, executed: number): Current => ({
  length,
  functions: { optimised: setOf(optimised), executed: setOf(executed), fromLearner: new Set() },
});
const setOf = (size: number) => new Set(Array(size).keys());
const unreadable = (length: number): Current => ({ length, functions: undefined });

const NOTHING: Decision = { save: false, final: false, learn: false };
const SAVE: Decision = { save: true, final: false, learn: false };
const LEARN: Decision = { save: false, final: false, learn: true };
const SAVE_AND_LEARN: Decision = { save: true, final: false, learn: true };
const FINAL: Decision = { save: true, final: true, learn: false };

interface Rule {
  name: string;
  stored: Stored;
  current: Current | undefined;
  /** With and without a learner. */
  decisions: [canLearn: Decision, cannotLearn: Decision];
}

const RULES: Record<string, Rule[]> = {
  'what is final, and looked at again': [
    { name: 'nothing new', stored: stored(100, 3, true), current: current(100, 10, 0), decisions: [NOTHING, NOTHING] },
    { name: 'more code', stored: stored(100, 3, true), current: current(900, 90, 1), decisions: [FINAL, FINAL] },
    {
      name: 'other functions ran',
      stored: stored(100, 3, true),
      current: current(100, 10, 90),
      decisions: [SAVE_AND_LEARN, NOTHING],
    },
    {
      name: 'other functions ran, after many generations',
      stored: stored(100, 30, true),
      current: current(100, 10, 90),
      decisions: [SAVE_AND_LEARN, NOTHING],
    },
    { name: 'less code', stored: stored(100, 3, true), current: current(10, 1, 9), decisions: [NOTHING, NOTHING] },
    { name: 'nothing optimised', stored: stored(100, 3, true), current: undefined, decisions: [NOTHING, NOTHING] },
  ],
  'a module of which V8 optimised nothing': [
    {
      name: 'is learnt when nothing is stored',
      stored: NOTHING_STORED,
      current: undefined,
      decisions: [LEARN, NOTHING],
    },
    // Under a debugger V8 drops optimised code.
    { name: 'is left alone when something is', stored: stored(100), current: undefined, decisions: [NOTHING, NOTHING] },
  ],
  'what V8 optimised': [
    {
      name: 'is stored when nothing was',
      stored: NOTHING_STORED,
      current: current(100, 1, 99),
      decisions: [SAVE_AND_LEARN, SAVE],
    },
    {
      name: 'is stored when it is more',
      stored: stored(100),
      current: current(150, 10, 90),
      decisions: [SAVE_AND_LEARN, SAVE],
    },
    {
      name: 'is stored when it is 2 % more',
      stored: stored(100),
      current: current(102, 10, 90),
      decisions: [SAVE_AND_LEARN, SAVE],
    },
    // Also stored so that the learner can read there which functions ran.
    {
      name: 'is stored for a learner only when it is hardly more',
      stored: stored(100),
      current: current(101, 10, 90),
      decisions: [SAVE_AND_LEARN, NOTHING],
    },
    {
      name: 'is stored for a learner only when it is as much',
      stored: stored(100),
      current: current(100, 10, 90),
      decisions: [SAVE_AND_LEARN, NOTHING],
    },
    { name: 'never replaces more', stored: stored(100), current: current(99, 10, 90), decisions: [NOTHING, NOTHING] },
    {
      name: 'never replaces more, complete as it may be',
      stored: stored(100),
      current: current(99, 10, 0),
      decisions: [NOTHING, NOTHING],
    },
    {
      name: 'never replaces more, after many generations',
      stored: stored(100, 50),
      current: current(99, 10, 90),
      decisions: [NOTHING, NOTHING],
    },
  ],
  'when hardly anything is missing it is final': [
    { name: 'nothing', stored: stored(100, 2), current: current(100, 10, 0), decisions: [FINAL, FINAL] },
    {
      name: 'nothing, at the first time',
      stored: NOTHING_STORED,
      current: current(100, 1, 0),
      decisions: [FINAL, FINAL],
    },
    { name: '2 %', stored: stored(100, 2), current: current(110, 98, 2), decisions: [FINAL, FINAL] },
    {
      name: 'a bit more than 2 %',
      stored: stored(100, 2),
      current: current(110, 97, 2),
      decisions: [SAVE_AND_LEARN, SAVE],
    },
    {
      name: 'one function of a few',
      stored: stored(100, 2),
      current: current(110, 9, 1),
      decisions: [SAVE_AND_LEARN, SAVE],
    },
  ],
  'after enough generations it is final in any case': [
    { name: 'before', stored: stored(100, 11), current: current(100, 10, 90), decisions: [SAVE_AND_LEARN, NOTHING] },
    { name: 'then', stored: stored(100, 12), current: current(100, 10, 90), decisions: [FINAL, FINAL] },
    { name: 'later', stored: stored(100, 13), current: current(200, 10, 90), decisions: [FINAL, FINAL] },
  ],
  'what cannot be read is stored when it is more, and never learnt': [
    { name: 'nothing stored', stored: NOTHING_STORED, current: unreadable(100), decisions: [SAVE, SAVE] },
    { name: 'more', stored: stored(100), current: unreadable(102), decisions: [SAVE, SAVE] },
    { name: 'hardly more', stored: stored(100), current: unreadable(101), decisions: [NOTHING, NOTHING] },
    { name: 'as much', stored: stored(100), current: unreadable(100), decisions: [NOTHING, NOTHING] },
    { name: 'less', stored: stored(100), current: unreadable(10), decisions: [NOTHING, NOTHING] },
    {
      name: 'after many generations',
      stored: stored(100, 50),
      current: unreadable(100),
      decisions: [NOTHING, NOTHING],
    },
  ],
};

for (const [rule, cases] of Object.entries(RULES)) {
  describe(`${rule}:`, () => {
    for (const { name, stored, current, decisions } of cases) {
      it(name, () => {
        assert.deepEqual(decide(stored, current, true), decisions[0]);
        assert.deepEqual(decide(stored, current, false), decisions[1]);
      });
    }
  });
}

it('any combination is stored, learnt, both or neither, and final only if stored', () => {
  const currents = [undefined, unreadable(100), current(100, 5, 5), current(300, 50, 1)];
  for (const before of [NOTHING_STORED, stored(100), stored(200, 11), stored(100, 12), stored(100, 1, true)]) {
    for (const now of currents) {
      for (const canLearn of [true, false]) {
        const { save, final, learn } = decide(before, now, canLearn);
        assert.ok(save || !final);
        assert.ok(canLearn || !learn);
        assert.ok(now !== undefined || !save);
        assert.ok(!(final && learn));
      }
    }
  }
});

describe('a final artifact is looked at again', () => {
  const final: Stored = { ...stored(100, 3, true), observedFor: 100 };
  for (const [what, artifact, cpuTime, chance, expected] of [
    ['after a run that was hardly longer', final, 130, 0.5, false],
    ['after a longer run', final, 140, 0.5, true],
    ['after a short run, now and then', final, 10, 0.05, true],
    ['after a run of a few milliseconds more', { ...final, observedFor: 1 }, 6, 0.5, false],
    ['when all functions are optimised', { ...final, isFull: true }, 10_000, 0, false],
    ['when it is not final', stored(100), 0, 0.9, true],
  ] as const) {
    it(`${what}: ${expected ? 'yes' : 'no'}`, () => assert.equal(looksAgain(artifact, cpuTime, chance), expected));
  }

  it('and notes that a run was longer', () => {
    assert.deepEqual(decide(final, current(100, 10, 0), true, true), FINAL);
  });
});

describe('loading an artifact is worth it', () => {
  const MB = 1e6;
  for (const [name, duration, wireMB, nativeMB, expected] of [
    // Measured with bench/programs, z3 and duckdb, on a quiet and on a busy machine.
    ['sql.js', 5, 0.7, 1.1, true],
    ['swc', 50, 18, 5.1, true],
    ['swc, on a busy machine', 150, 18, 5.1, true],
    ['z3', 110, 35, 5.6, true],
    ['duckdb', 170, 34, 9.7, true],
    // V8 would take 42 ms to decode 18 MB, and 52 ms to compile the stored functions.
    ['swc, far slower than V8 itself', 1000, 18, 5.1, false],
    ['a small one, on a disk that had to wake up', 240, 0.1, 0.1, true],
    ['a small one, from a network that hangs', 600, 0.1, 0.1, false],
  ] as const) {
    it(`${name}: ${expected ? 'yes' : 'no'}`, () => {
      const module = { wireLength: wireMB * MB, nativeLength: nativeMB * MB };
      assert.equal(isWorthLoading({ duration, cpuTime: 20, preemptions: 3, waited: () => 5, ...module }), expected);
    });
  }

  it('is not decided by a load on a machine that was too busy', () => {
    const load = { duration: 6402, waited: () => 0, wireLength: 0.1 * MB, nativeLength: 0.1 * MB };
    assert.equal(isWorthLoading({ ...load, cpuTime: 65, preemptions: 44 }), true);
    assert.equal(isWorthLoading({ ...load, cpuTime: 200, preemptions: 10 }), true);
    assert.equal(isWorthLoading({ ...load, cpuTime: 200, preemptions: 9 }), false);
    assert.equal(
      isWorthLoading({ ...load, cpuTime: 1, preemptions: 4 }),
      false,
      'a disk is slow on a machine that does other things, too',
    );
  });

  it('is not decided by a load that was blocked and then waited for a processor, which is no preemption', () => {
    // Like tailwind's scanner on two cores with a load of 22, which ran for 8 of 296 ms.
    const load = { duration: 296, cpuTime: 90, preemptions: 4, wireLength: 1.6 * MB, nativeLength: 0.52 * MB };
    assert.equal(isWorthLoading({ ...load, waited: () => 232 }), true);
    assert.equal(isWorthLoading({ ...load, waited: () => 15 }), false);
  });
});
