// node redis-reader.mjs <url> <milliseconds>: reads until it has it or waited for so long, and is done, without a
// close; says how long what it left behind kept it alive.
import { RedisStore } from '../../dist/stores/redis.js';

const [url, timeout] = process.argv.slice(2);
const store = RedisStore.forReading({ url });
try {
  const value = await store.get('a', { signal: AbortSignal.timeout(Number(timeout)) });
  console.log(value?.bytes.length);
} catch (error) {
  console.log(error.name === 'TimeoutError' ? error.name : error.message);
}
const done = performance.now();
process.on('exit', () => console.log(performance.now() - done < 5000 ? 'soon' : performance.now() - done));
