// node scripts/record-cli.mjs [--check] [--workloads <folder>]
// Plays the screens of docs/cli.md on a real terminal, and writes them there. A screen is a console block after a comment
// such as "<!-- screen: why-miss, exit code 1 -->": its lines that begin with "$ " are typed, one after the other, in the order of the document, and
// all of them end with 0 but the last one, which ends with what the comment says. --check only looks that they do so, and print something. Screens
// "with --workloads" are of large packages: of a folder in which npm ci was run in a copy of ../shared/workloads. They take five minutes more.
import './built.mjs';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { before, meanwhile } from './cli-scene/hands.mjs';
import { Scene } from './cli-scene/scene.mjs';

const { values: options } = parseArgs({
  options: { check: { type: 'boolean', default: false }, workloads: { type: 'string' } },
});
const missing = ['tmux', 'redis-server', 'setpriv'].filter((program) => spawnSync('which', [program]).status !== 0);
if (missing.length > 0) {
  console.error(
    `Not found: ${missing.join(', ')}. On Debian, as root: apt-get install -y tmux redis-server util-linux`,
  );
  process.exit(2);
}

const file = fileURLToPath(new URL('../docs/cli.md', import.meta.url));
const SCREEN =
  /(?<=<!-- screen: (?<name>[a-z-]+)(?:, exit code (?<codes>\d+(?: or \d+)*))?(?<isLarge>, with --workloads)? -->\n```console\n)(?<text>.*?)(?=\n```\n)/gs;
const screens = [...readFileSync(file, 'utf8').matchAll(SCREEN)].map(({ groups }) => ({
  ...groups,
  codes: (groups.codes ?? '0').split(' or ').map(Number),
  lines: groups.text
    .split('\n')
    .filter((line) => line.startsWith('$ '))
    .map((line) => line.slice(2)),
}));

const scene = await Scene.open(options.workloads);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
process.on('exit', () => scene.close());

/** What they show, by their names. */
const played = new Map();
await play(screens.filter(({ isLarge }) => !isLarge));
await checkColors();
if (options.workloads !== undefined) await play(screens.filter(({ isLarge }) => isLarge));
if (!options.check) {
  const text = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    text.replace(SCREEN, (...found) => played.get(found.at(-1).name) ?? found.at(-1).text),
  );
}
console.log(`${played.size} screens ${options.check ? 'are in order' : 'written to docs/cli.md'}.`);
process.exit();

async function play(some) {
  const terminal = await scene.openTerminal();
  for (const { name, codes, lines } of some.filter(({ lines }) => lines.length > 0)) {
    const start = performance.now();
    await before[name]?.(scene);
    await terminal.clear();
    for (const [index, line] of lines.entries()) {
      const isLast = index === lines.length - 1;
      const ended = await terminal.play(scene.toType(line), isLast ? handOf(name, terminal) : undefined);
      const expected = isLast ? codes : [0];
      if (!expected.includes(ended))
        throw new Error(`${name}: ${line} ended with ${ended}, not ${expected.join(' or ')}:\n${terminal.screen()}`);
    }
    const screen = scene.toShow(terminal.screen());
    if (screen.split('\n').every((line) => line.startsWith('$ '))) throw new Error(`${name} shows nothing:\n${screen}`);
    played.set(name, screen);
    console.log(`--- ${name}, ${((performance.now() - start) / 1000).toFixed(1)} s\n${screen}`);
  }
}

/** Who sits at the terminal does something while a command runs; it can give a screen of then. */
function handOf(name, terminal) {
  if (!meanwhile[name]) return undefined;
  return async (hasEnded) => {
    const [other, screen] = (await meanwhile[name]({ scene, terminal, hasEnded })) ?? [];
    if (other !== undefined) played.set(other, scene.toShow(screen));
  };
}

async function checkColors() {
  const terminal = await scene.openTerminal();
  await terminal.play('wasm-cache doctor');
  if (!terminal.hasColors()) throw new Error(`No colours on a terminal:\n${terminal.screen()}`);
  await terminal.clear();
  await terminal.play('NO_COLOR=1 wasm-cache doctor');
  if (terminal.hasColors()) throw new Error(`Colours with NO_COLOR:\n${terminal.screen()}`);
}
