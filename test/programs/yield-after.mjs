// Works until the addon lowers its priority. Argument: after how many milliseconds of processor time that should be. Prints the
// different priorities of its threads, before and after.
import { readdirSync, readFileSync } from 'node:fs';
import { loadAddon } from '../../dist/native/addon.js';

function priorityOf(thread) {
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ').at(-1).split(' ')[16]);
  } catch {
    return undefined; // It ended meanwhile.
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
