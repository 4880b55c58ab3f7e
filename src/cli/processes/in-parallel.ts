/** Work that takes memory. */
export interface Task {
  /** An estimate in bytes. */
  memory: number;
  /** Must not reject. */
  run(): Promise<void>;
}

/** How much may be done at once. */
export interface Limits {
  tasks: number;
  /** Bytes. A task that takes more runs alone. */
  memory: number;
}

/** Runs all tasks, in their order as far as the memory allows. */
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
