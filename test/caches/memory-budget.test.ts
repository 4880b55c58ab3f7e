import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryBudget } from '../../dist/caches/memory-budget.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('MemoryBudget', () => {
  it('starts tasks in their order, while they fit', async () => {
    const budget = new MemoryBudget(10);
    const started: string[] = [];
    const ends: Record<string, () => void> = {};
    const run = (name: string, size: number) =>
      budget.run(size, () => {
        started.push(name);
        return new Promise<void>((resolve) => {
          ends[name] = resolve;
        });
      });
    const tasks = [run('a', 4), run('b', 6), run('larger than all', 100), run('c', 1)];
    await turn();
    assert.deepEqual(started, ['a', 'b']);
    ends.a?.();
    await turn();
    assert.deepEqual(started, ['a', 'b'], 'the large one runs alone, and nothing overtakes it');
    ends.b?.();
    await turn();
    assert.deepEqual(started, ['a', 'b', 'larger than all']);
    ends['larger than all']?.();
    await turn();
    assert.deepEqual(started, ['a', 'b', 'larger than all', 'c']);
    ends.c?.();
    await Promise.all(tasks);
  });

  it('gives the memory of a failed task back', async () => {
    const budget = new MemoryBudget(10);
    const fail = () => Promise.reject(new Error('failed'));
    await assert.rejects(budget.run(10, fail), /failed/);
    assert.equal(await budget.run(10, async () => 'done'), 'done');
  });
});
