// What scripts/test.mjs gives to each file of tests, as a preload and as its reporter. Writes the events that it needs to a file, each as a line
// of JSON, at once: a process that hangs or dies has then said which test it was in.
import fs from 'node:fs';
import { beforeEach } from 'node:test';
import { inspect } from 'node:util';

// Opened and captured before the tests: some change the user or patch fs.
const { writeSync } = fs;
const file = fs.openSync(process.env.TEST_EVENTS_FILE, 'a');
delete process.env.TEST_EVENTS_FILE; // Not for the programs that the tests start.

beforeEach(({ name }) => write({ type: 'began', name }));

export default async function* report(events) {
  for await (const { type, data } of events) {
    const { name, nesting, message, skip, todo, details } = data;
    if (type === 'test:diagnostic' && nesting === 0) write({ type, message });
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const error = type === 'test:fail' ? describe(details.error) : undefined;
    write({ type, name, nesting, isSuite: details.type === 'suite', skip, todo, error, duration: details.duration_ms });
  }
  yield '';
}

/** A suite fails because of its tests, which are reported themselves. */
function describe(error) {
  if (error.failureType === 'subtestsFailed') return undefined;
  const cause = error.cause instanceof Error ? error.cause : error;
  return inspect(cause, { depth: 10, maxStringLength: Infinity, maxArrayLength: 1000 });
}

function write(event) {
  writeSync(file, `${JSON.stringify(event)}\n`);
}
