// Prints the name that the statistics use for this program.
import { nameOfCaller } from '../../dist/statistics/caller.js';

console.log(nameOfCaller());
