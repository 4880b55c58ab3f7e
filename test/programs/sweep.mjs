// Sweeps a folder, without limits or to the given number of bytes. Prints whether another process was sweeping it, and what was removed.
import { sweep } from '../../dist/caches/sweep.js';

const [directory, maxSize = Infinity] = process.argv.slice(2);
const report = await sweep(directory, { maxSize: Number(maxSize), maxFiles: Infinity });
console.log(JSON.stringify({ swept: report !== undefined, removed: report?.removed }));
