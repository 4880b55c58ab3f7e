// Asks a store: node http-store.mjs <url> <awaited|done|refused|aborted|late|late and alive> [bucket]
import { HttpStore } from '../../dist/stores/http.js';
import { S3Store } from '../../dist/stores/s3.js';

const [url, how, bucket] = process.argv.slice(2);
const store = bucket ? new S3Store({ endpoint: url, bucket }) : new HttpStore({ url });
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

if (how === 'awaited') {
  console.log((await store.get('slow')).bytes.length);
} else if (how === 'done') {
  console.log((await store.get('fast')).bytes.length); // uses the connection of the first answer
} else if (how === 'refused') {
  await store.get('slow').catch((error) => console.log(error.message.replace(/.*?\/slow: /, '')));
} else if (how === 'aborted') {
  await store.get('slow', { signal: AbortSignal.timeout(100) }).catch((error) => console.log(error.name));
} else {
  const background = new AbortController();
  store.get('slow', { background: background.signal }).then(
    ({ bytes }) => console.log(`late: ${bytes.length}`),
    (error) => console.log(error.message),
  );
  await wait(100);
  background.abort();
  console.log('goes on');
  if (how === 'late and alive') await wait(2000); // by then the answer has arrived all the same
}
const ended = performance.now();
process.on('exit', () => console.log(performance.now() - ended < 500 ? 'exits at once' : 'is kept alive'));
