// Replaces node:test and node:assert in a browser, as far as the contract suite uses them.

interface Test {
  name: string;
  body: () => Promise<void>;
}

const tests: Test[] = [];

export function describe(_name: string, body: () => void): void {
  body();
}

export function it(name: string, body: () => Promise<void>): void {
  tests.push({ name, body });
}

/** The number of tests that passed, and the errors of the others. */
export async function runAll(): Promise<{ passed: number; failures: string[] }> {
  const failures: string[] = [];
  for (const { name, body } of tests) await body().catch((error) => failures.push(`${name}: ${error}`));
  return { passed: tests.length - failures.length, failures };
}

function ok(value: unknown, message?: string): void {
  if (!value) throw new Error(message ?? `${value} is not true`);
}

function equal(actual: unknown, expected: unknown, message?: string): void {
  ok(Object.is(actual, expected), message ?? `${actual} is not ${expected}`);
}

const assert = {
  ok,
  equal,
  deepEqual: (actual: unknown, expected: unknown) => equal(JSON.stringify(actual), JSON.stringify(expected)),
  async rejects(promise: Promise<unknown>, check: (error: unknown) => boolean) {
    const thrown = await promise.then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    ok(thrown, 'nothing was thrown');
    ok(check(thrown?.error), 'something else was thrown');
  },
};
export default assert;
