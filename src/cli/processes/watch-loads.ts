// Preloaded into the processes of a command, after the hook. Reports each module that the hook is asked for.
import diagnostics_channel from 'node:diagnostics_channel';
import fs from 'node:fs';
import { V8Engine } from '../../engine/v8-engine.js';

/** A module that the hook was asked for. */
export interface WatchedLoad {
  key: string;
  hit: boolean;
  /** The id of the process's engine. */
  engine: string;
}

const { appendFileSync } = fs; // Captured, because programs patch it.
const { stringify } = JSON;
const to = new URL(import.meta.url).searchParams.get('to') ?? '';
const engine = new V8Engine();

diagnostics_channel.subscribe('wasm-module-cache:load', (event) => {
  const { key, hit } = event as { key: string; hit: boolean };
  const load: WatchedLoad = { key, hit, engine: engine.deterministicId };
  try {
    appendFileSync(to, `${stringify(load)}\n`);
  } catch {
    // The program must go on. Its user is told that it compiled no module.
  }
});
