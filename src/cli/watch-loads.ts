// Loaded into the processes of a command, after the hook: notes which modules it is asked for, one line of JSON each in the file that is
// named by `to` in this module's address. With `saves`, a process that SIGTERM ends is saved first.
import diagnostics_channel from 'node:diagnostics_channel';
import fs from 'node:fs';
import workerThreads from 'node:worker_threads';
import { V8Engine } from '../engine/v8-engine.js';
import { flushModuleCache } from '../hook/enable.js';
import type { WatchedLoad } from './watched-loads.js';

const { appendFileSync } = fs; // Captured, as everything: programs patch it.
const { stringify } = JSON;
const { kill, pid } = process;
const { searchParams } = new URL(import.meta.url);
const to = searchParams.get('to') ?? '';
const engine = new V8Engine();

diagnostics_channel.subscribe('wasm-module-cache:load', (event) => {
  const { key, hit } = event as { key: string; hit: boolean };
  const load: WatchedLoad = { key, hit, engine: engine.deterministicId };
  try {
    appendFileSync(to, `${stringify(load)}\n`);
  } catch {
    // The command's user is told that nothing was loaded, and the program goes on.
  }
});

if (searchParams.has('saves') && workerThreads.isMainThread) process.on('SIGTERM', saveBeforeEnd);

function saveBeforeEnd(): void {
  flushModuleCache();
  if (process.listenerCount('SIGTERM') > 1) return; // Ending is the program's business.
  process.removeListener('SIGTERM', saveBeforeEnd);
  kill(pid, 'SIGTERM');
}
