/** A procedure that is written once and runs synchronously or with promises: it yields results, or promises of results. */
export type Procedure<T> = Generator<unknown, T, unknown>;

/** Waits for a result inside a procedure. `yield` alone would lose the result's type. */
export function* resultOf<T>(result: T | Promise<T>): Procedure<T> {
  return (yield result) as T;
}

/** Runs a procedure that yields no promises. */
export function runSync<T>(procedure: Procedure<T>): T {
  let step = procedure.next();
  while (!step.done) step = procedure.next(step.value);
  return step.value;
}

export async function runAsync<T>(procedure: Procedure<T>): Promise<T> {
  let step = procedure.next();
  while (!step.done) {
    const result = Promise.resolve(step.value);
    step = await result.then(procedure.next.bind(procedure), procedure.throw.bind(procedure));
  }
  return step.value;
}
