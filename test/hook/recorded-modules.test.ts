import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type RecordedModule, RecordedModules, sampleOf } from '../../dist/hook/recorded-modules.js';
import { ModuleHash } from '../../dist/module-hash.js';
import { sumModule } from '../../dist/testing/modules.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Collects garbage in a new task, because a WeakRef holds its target until the task ends. */
async function forget(): Promise<void> {
  await nextTask();
  collectGarbage();
  await nextTask();
}

const wireBytes = sumModule();
const newModule = () => new WebAssembly.Module(wireBytes);

/**
 * The indices in `held` of the modules that are alive, in the order of `modules`; -1 for a module that is not in `held`. A
 * separate function, so that no variable of a waiting test keeps a module alive.
 */
function alive(modules: RecordedModules, held: WebAssembly.Module[] = []): number[] {
  return [...modules.alive()].map(([, module]) => held.indexOf(module));
}

const aKey = ModuleHash.random();

function recorded(changes: Partial<RecordedModule> = {}): RecordedModule {
  const nothing = { length: 0, generation: 0, final: false, optimisedFor: 0, observedFor: 0, isFull: false };
  return {
    key: aKey,
    engineId: 'engine-1',
    wireLength: wireBytes.length,
    sample: 0,
    functions: undefined,
    stored: nothing,
    analysis: undefined,
    cpuTimeBefore: 0,
    isRestored: false,
    mayRetier: false,
    isQuarantined: false,
    hasRequestedLearner: false,
    ...changes,
  };
}

describe('RecordedModules', () => {
  it('is empty at first', () => {
    const modules = new RecordedModules();
    assert.equal(modules.size, 0);
    assert.deepEqual(alive(modules), []);
  });

  it('gives the modules that were added, in that order', () => {
    const modules = new RecordedModules();
    const held = Array.from({ length: 3 }, newModule);
    const added = held.map(() => recorded({ key: ModuleHash.random() }));
    for (const [index, module] of held.entries()) modules.add(added[index] as RecordedModule, module);
    assert.equal(modules.size, 3);
    assert.deepEqual(alive(modules, held), [0, 1, 2]);
    assert.deepEqual(
      [...modules.alive()].map(([each]) => added.indexOf(each)),
      [0, 1, 2],
    );
  });

  it('gives the same record object that was added, so that notes in it stay', () => {
    const modules = new RecordedModules();
    const held = newModule();
    modules.add(recorded(), held);
    for (const [each] of modules.alive()) each.hasRequestedLearner = true;
    assert.deepEqual(
      [...modules.alive()].map(([each]) => each.hasRequestedLearner),
      [true],
    );
    assert.deepEqual(alive(modules, [held]), [0]);
  });

  for (const [same, changes] of Object.entries({
    everything: {},
    'only the key': { engineId: 'engine-2', hasRequestedLearner: true },
    'a key that is another object': { key: ModuleHash.parseHex(aKey.toString()) },
  })) {
    it(`replaces a record by the last one with the same ${same}`, () => {
      const modules = new RecordedModules();
      const held = [newModule(), newModule()] as const;
      const later = recorded(changes);
      modules.add(recorded(), held[0]);
      modules.add(later, held[1]);
      assert.equal(modules.size, 1);
      assert.deepEqual(alive(modules, [...held]), [1]);
      assert.ok([...modules.alive()].every(([each]) => each === later));
    });
  }

  it('does not keep a module alive', async () => {
    const modules = new RecordedModules();
    modules.add(recorded(), newModule());
    await forget();
    assert.deepEqual(alive(modules), []);
  });

  it('gives a module as long as somebody holds it', async () => {
    const modules = new RecordedModules();
    const held = [newModule()] as const;
    modules.add(recorded(), held[0]);
    modules.add(recorded({ key: ModuleHash.random() }), newModule());
    await forget();
    assert.deepEqual(alive(modules, [...held]), [0]);
  });

  it('gives another object over the same code when the first is gone', async () => {
    const modules = new RecordedModules();
    const record = recorded();
    const held = [newModule()] as const;
    modules.add(record, newModule());
    modules.addReference(record, held[0]);
    await forget();
    assert.deepEqual(alive(modules, [...held]), [0]);
    assert.ok([...modules.alive()].every(([each]) => each === record));
  });

  it('finds the one object that is alive among many that are gone', async () => {
    const modules = new RecordedModules();
    const record = recorded();
    const held = [newModule()] as const;
    modules.add(record, held[0]);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 5; n++) modules.addReference(record, newModule());
      await forget();
    }
    assert.deepEqual(alive(modules, [...held]), [0]);
  });

  it('gives a module once, however many objects it has, and remembers the last eight of them', async () => {
    const modules = new RecordedModules();
    const record = recorded();
    modules.add(record, newModule());
    const held = Array.from({ length: 9 }, newModule);
    held.forEach((module) => void modules.addReference(record, module));
    assert.equal(modules.size, 1);
    for (const [left, expected] of [
      [9, [1]],
      [2, [1]],
      [1, []],
    ] as const) {
      held.length = left;
      await forget();
      assert.deepEqual(alive(modules, held), expected);
    }
  });

  it('takes no reference for a module that was replaced or never added', async () => {
    const modules = new RecordedModules();
    const replaced = recorded();
    const held = [newModule()] as const;
    modules.add(replaced, newModule());
    modules.add(recorded(), newModule());
    modules.addReference(replaced, held[0]);
    modules.addReference(recorded({ key: ModuleHash.random() }), held[0]);
    await forget();
    assert.equal(modules.size, 1);
    assert.deepEqual(alive(modules, [...held]), []);
  });
});

describe('room for modules', () => {
  it('is there again when modules were collected', async () => {
    const modules = new RecordedModules();
    const add = (count: number) =>
      Array.from({ length: count }, () => {
        const module = newModule();
        modules.add(recorded({ key: ModuleHash.random(), sample: Math.random() }), module);
        return module;
      });
    add(200);
    const held = add(56);
    assert.equal(modules.hasRoom, false);
    await forget();
    const asked = Array.from({ length: 100 }, () => modules.hasRoom);
    assert.equal(asked.at(-1), true);
    assert.equal(held.length, 56);
  });
});

describe('modules of one length', () => {
  const bytesOf = (number: number, at: number) => {
    const bytes = new Uint8Array(70_000);
    new DataView(bytes.buffer).setUint32(at, number);
    return bytes;
  };

  it('are told apart by a sample of their bytes', () => {
    for (const at of [0, 69_996]) {
      const samples = new Set(Array.from({ length: 1500 }, (_, number) => sampleOf(bytesOf(number, at))));
      assert.ok(samples.size > 1490, `${samples.size} samples`);
    }
  });

  it('are compared with a few, however many are alive', () => {
    const modules = new RecordedModules();
    const held = Array.from({ length: 1500 }, (_, number) => {
      const module = newModule();
      modules.add(recorded({ key: ModuleHash.random(), sample: sampleOf(bytesOf(number, 69_996)) }), module);
      return module;
    });
    for (const number of [0, 700, 1499]) {
      const bytes = bytesOf(number, 69_996);
      const alike = [...modules.alike(recorded({ sample: sampleOf(bytes) }), bytes)];
      assert.ok(alike.length <= 8, `${alike.length} to compare`);
      assert.ok(alike.some(([, module]) => module === held[number]));
    }
    assert.equal(alive(modules, held).length, 1500);
  });

  it('are compared with a few, also when the sample sees no difference', () => {
    const modules = new RecordedModules();
    const made = Array.from({ length: 200 }, (_, number) => {
      const bytes = sumModule({ padding: 70_000 });
      bytes[35_001] = number;
      return { bytes, module: new WebAssembly.Module(bytes) };
    });
    const sample = sampleOf(sumModule({ padding: 70_000 }));
    for (const { bytes, module } of made) {
      assert.equal(sampleOf(bytes), sample);
      modules.add(recorded({ key: ModuleHash.sha256(bytes), sample }), module);
    }
    for (const { bytes, module } of made) {
      const alike = [...modules.alike(recorded({ sample }), bytes)];
      assert.ok(alike.length <= 2, `${alike.length} to compare`);
      assert.ok(alike.some(([, each]) => each === module));
    }
    assert.equal([...modules.alive()].length, 200);
  });

  it('may be shorter than the sample, or empty', () => {
    assert.notEqual(sampleOf(Uint8Array.of(1)), sampleOf(Uint8Array.of(2)));
    assert.equal(sampleOf(new Uint8Array(0)), 0);
  });
});
