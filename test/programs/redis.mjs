// node redis.mjs <url> <what>: does that and ends without closing the store. Prints how long the open connection kept it alive.
import { RedisStore } from '../../dist/stores/redis.js';

const [url, what] = process.argv.slice(2);
const store = new RedisStore({ url });
if (what === 'get') {
  await store.put('a', Buffer.alloc(100_000, 7));
  const { bytes } = await store.get('a');
  console.log(bytes.length);
}
if (what === 'abort') {
  for (const operation of [
    store.get('a', { signal: AbortSignal.timeout(100) }),
    store.put('a', Buffer.alloc(20_000_000), { signal: AbortSignal.timeout(100) }),
  ]) {
    await operation.catch((error) => console.log(error.name));
  }
}
const done = performance.now();
process.on('exit', () => console.log(performance.now() - done < 5000 ? 'soon' : performance.now() - done));
