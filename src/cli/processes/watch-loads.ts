// Loaded into the processes of a command, after the hook: notes which modules it is asked for, one line of JSON each in the file that is
// named by `to` in this module's address.
import diagnostics_channel from 'node:diagnostics_channel';
import fs from 'node:fs';
import { V8Engine } from '../../engine/v8-engine.js';
import type { WatchedLoad } from './watched-loads.js';

const { appendFileSync } = fs; // Captured, as everything: programs patch it.
const { stringify } = JSON;
const to = new URL(import.meta.url).searchParams.get('to') ?? '';
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
