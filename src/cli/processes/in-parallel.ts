/** Something that takes memory while it is done. */
export interface Task {
  /** Bytes, as far as that can be told before. */
  memory: number;
  /** Must not reject. */
  run(): Promise<void>;
}

/** What may be done at once. */
export interface Limits {
  tasks: number;
  /** Bytes; what takes more than that is done while nothing else is. */
  memory: number;
}

/** Does all of them, the first ones first where that is possible. */
export async function inParallel(tasks: Task[], limits: Limits): Promise<void> {
  const waiting = [...tasks];
  const running = new Set<Promise<void>>();
  let memory = 0;
  const start = (task: Task) => {
    memory += task.memory;
    const run = task.run().finally(() => {
      memory -= task.memory;
      running.delete(run);
    });
    running.add(run);
  };
  while (waiting.length > 0) {
    const fits = (task: Task) => running.size === 0 || memory + task.memory <= limits.memory;
    const next = running.size < limits.tasks ? waiting.findIndex(fits) : -1;
    if (next < 0) await Promise.race(running);
    else start(waiting.splice(next, 1)[0] as Task);
  }
  await Promise.all(running);
}
