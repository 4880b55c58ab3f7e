import assert from 'node:assert/strict';
import { it } from 'node:test';

// It captures the clock when it is loaded.
let time = Date.now();
Date.now = () => time;
const { CircuitBreaker } = await import('../../dist/stores/circuit-breaker.js');

it('is closed until three failures in a row', () => {
  const breaker = new CircuitBreaker();
  breaker.failed(false);
  breaker.failed(false);
  breaker.succeeded();
  breaker.failed(false);
  breaker.failed(false);
  assert.equal(breaker.state, 'closed');
  breaker.failed(false);
  assert.equal(breaker.state, 'open');
});

it('opens at once after somebody waited for the whole deadline', () => {
  const breaker = new CircuitBreaker();
  breaker.failed(true);
  assert.equal(breaker.state, 'open');
});

it('is half-open after a pause, which grows with each failed try, and closes after a successful one', () => {
  const breaker = new CircuitBreaker({ retryAfter: 200 });
  breaker.failed(true);
  time += 99;
  assert.equal(breaker.state, 'open');
  time += 201;
  assert.equal(breaker.state, 'half-open');
  breaker.failed(false);
  time += 199;
  assert.equal(breaker.state, 'open');
  time += 401;
  assert.equal(breaker.state, 'half-open');
  breaker.succeeded();
  assert.equal(breaker.state, 'closed');
});

it('tries again at a different moment in each process', () => {
  const breakers = Array.from({ length: 50 }, () => new CircuitBreaker({ retryAfter: 200 }));
  for (const breaker of breakers) breaker.failed(true);
  time += 200;
  const open = breakers.filter(({ state }) => state === 'open').length;
  assert.ok(open > 5 && open < 45, `${open} of 50`);
});
