// Runs until the addon lowers its priority. Argument: after how many milliseconds of CPU time it should do so. Prints the priorities of
// the threads before and after.
import { readdirSync, readFileSync } from 'node:fs';
import { loadAddon } from '../../dist/native/addon.js';

function priorityOf(thread) {
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ').at(-1).split(' ')[16]);
  } catch {
    return undefined; // The thread has ended.
  }
}
const priorities = () => [
  ...new Set(
    readdirSync('/proc/self/task')
      .map(priorityOf)
      .filter((priority) => priority !== undefined),
  ),
];
const usedMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

loadAddon().addon.yieldAfter(Number(process.argv[2]));
const before = priorities();
while (priorities().includes(before[0]) && usedMs() < 20_000);
console.log(JSON.stringify({ before, after: priorities(), usedMs: usedMs() }));
