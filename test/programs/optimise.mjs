// Optimises modules ahead of time, which changes V8's flags for a while. Arguments: a JSON array of jobs
// { wireBytes, nativeCode?, coverage, result }, all but the coverage files. Prints the outcome of each.
import { readFileSync, writeFileSync } from 'node:fs';
import { loadAddon } from '../../dist/native/addon.js';
import { optimise } from './ahead-of-time.mjs';

const tag = loadAddon().addon.versionTag();
const outcomes = JSON.parse(process.argv[2]).map(({ wireBytes, nativeCode, coverage, result }) => {
  try {
    const known = nativeCode && readFileSync(nativeCode);
    writeFileSync(result, optimise(readFileSync(wireBytes), known, coverage));
    return 'optimised';
  } catch (error) {
    return `${error.name} ${error.kind ?? ''}`.trim();
  }
});
console.log(JSON.stringify({ outcomes, sameFlags: loadAddon().addon.versionTag() === tag }));
