import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** The most bytes that the descendants of this process took together, shared pages once, until it is told that they have ended. */
export async function peakMemory(hasEnded) {
  let peak = 0;
  while (!hasEnded.aborted) {
    peak = Math.max(
      peak,
      descendants().reduce((sum, id) => sum + memoryOf(id), 0),
    );
    await sleep(200);
  }
  return peak;
}

function descendants() {
  const ids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const parents = new Map(ids.map((id) => [id, /^PPid:\s*(\d+)/m.exec(read(`/proc/${id}/status`))?.[1]]));
  const isBelow = (id) => {
    const parent = parents.get(id);
    return parent === String(process.pid) || (parent !== undefined && isBelow(parent));
  };
  return ids.filter(isBelow);
}

function memoryOf(id) {
  return Number(/^Pss:\s*(\d+)/m.exec(read(`/proc/${id}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

/** It may have ended. */
function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
