// Prints what the statistics call this program.
import { nameOfCaller } from '../../dist/statistics/caller.js';

console.log(nameOfCaller());
