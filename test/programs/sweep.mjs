// Sweeps a folder without limits, and prints whether another process was sweeping it.
import { sweep } from '../../dist/caches/sweep.js';

const report = await sweep(process.argv[2], { maxSize: Infinity, maxFiles: Infinity });
console.log(JSON.stringify({ swept: report !== undefined }));
