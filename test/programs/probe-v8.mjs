// Uses the library on a V8 that may be untested. Argument: the cache folder.
import { probeV8, V8Engine } from '../../dist/index.js';

const [directory] = process.argv.slice(2);
const before = new V8Engine().unsupportedReason;
const verdict = await probeV8({ directory });
const { canSerialize, unsupportedReason } = new V8Engine();
console.log(JSON.stringify({ before, verdict, canSerialize, unsupportedReason }));
