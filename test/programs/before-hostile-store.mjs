// node before-hostile-store.mjs <milliseconds> [<key> ...]: compiles a module over the hook's size threshold, uses it, and stays for so
// long. With keys, a RemoteCache before the store at HOSTILE_STORE loads them all at once instead. At the exit prints the results, the
// largest size of the process in MB, and the time.
import { readFileSync } from 'node:fs';
import { everythingModule, observeEverything } from '../../.test-build/support/everything.js';
import { ModuleHash, RemoteCache, V8Engine } from '../../dist/index.js';
import { openStore } from '../../dist/stores/open-store.js';

/** Not maxRSS of resourceUsage(): in Linux that is at least the size of the process that started this one. */
function largestSize() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1000;
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1000;
}

const [stay, ...keys] = process.argv.slice(2);
const { HOSTILE_STORE, HOSTILE_SECRET } = process.env;
const wireBytes = everythingModule(70_000);
let observed = [];
process.on('exit', () => {
  console.log(JSON.stringify({ observed, megabytes: largestSize(), endedAt: Date.now() }));
});
if (keys.length === 0) {
  observed = observeEverything(await WebAssembly.compile(wireBytes));
} else {
  const store = await openStore(HOSTILE_STORE);
  const trust = HOSTILE_SECRET ? { secret: HOSTILE_SECRET } : { allowUnsigned: true };
  const cache = new RemoteCache(store, { ...trust, timeout: Number(stay) });
  const loads = keys.map((key) => cache.load(ModuleHash.parseHex(key), new V8Engine()));
  observed = (await Promise.allSettled(loads)).map(({ status }) => status);
}
await new Promise((resolve) => setTimeout(resolve, Number(stay)));
process.exit(0);
