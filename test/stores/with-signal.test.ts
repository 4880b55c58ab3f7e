import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { it } from 'node:test';
import { withSignal } from '../../dist/stores/with-signal.js';

it('withSignal gives what the promise gives, or at once the reason of the signal', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  assert.equal(await withSignal(Promise.resolve(1), undefined), 1);
  assert.equal(await withSignal(Promise.resolve(1), controller.signal), 1);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  const endless = withSignal(new Promise(() => {}), controller.signal);
  controller.abort(reason);
  await assert.rejects(endless, (error) => error === reason);
  await assert.rejects(withSignal(Promise.reject(new Error('late')), controller.signal), (error) => error === reason);
});
