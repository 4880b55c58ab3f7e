// What somebody does to the scene before a screen, and at the terminal while its last command runs. By the screen's name.
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { peakMemory } from './peak-memory.mjs';
import { until } from './terminal.mjs';

export const before = {
  /** Changes one byte in the middle of an artifact. */
  verify({ appFolder }) {
    const folder = path.join(appFolder, 'image');
    const name = fs.readdirSync(folder, { recursive: true }).find((each) => each.endsWith('.artifact'));
    const file = path.join(folder, name);
    const bytes = fs.readFileSync(file);
    bytes[bytes.length >> 1] ^= 1;
    fs.writeFileSync(file, bytes);
  },
};

export const meanwhile = {
  'train-server': ({ scene, hasEnded }) => visit(scene, Infinity, hasEnded),

  async 'run-server'({ scene, terminal, hasEnded }) {
    await visit(scene, 5, hasEnded);
    terminal.press('C-c');
  },

  async clear({ terminal }) {
    await until(() => terminal.screen().includes('[y/N]'), 'no question', 10_000);
    terminal.type('y\n');
  },

  async 'warm-packages'({ terminal, hasEnded }) {
    const peak = peakMemory(hasEnded);
    await until(() => hasEnded.aborted || / [3-9]\d %/.test(terminal.screen()), 'no progress');
    const bar = terminal.screen().split('\n').at(-1);
    console.log(
      `warm-packages: ${Math.round((await peak) / 2 ** 20)} MiB of memory at its peak, of all processes together`,
    );
    return ['warm-bar', bar];
  },
};

/** Asks the server for so many answers. */
async function visit({ serverUrl }, times, hasEnded) {
  for (let answers = 0; answers < times && !hasEnded.aborted; ) {
    const answer = await fetch(serverUrl)
      .then((response) => response.text())
      .catch(() => undefined);
    if (answer === undefined) await sleep(20);
    else answers++;
  }
}
