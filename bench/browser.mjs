// node bench/browser.mjs [--visits 5] [--json]: what a page with a module of 18 MB gains from visit to visit in Chromium. Each visit is a new
// process with the profile of the last one. The first visit goes on until Chromium has saved the code that V8 optimised.
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Browser } from '../.test-build/support/browser.js';
import { Site } from '../.test-build/support/site.js';
import { median } from './processes.mjs';

const { values } = parseArgs({ options: { visits: { type: 'string', default: '5' }, json: { type: 'boolean' } } });
const visits = Number(values.visits);
/** Milliseconds until Chromium saves, which it does when V8 has optimised 1 MB of code. */
const SAVE_TIMEOUT = 30_000;

const { resolve } = createRequire(import.meta.url);
const wasm = readFileSync(resolve('@swc/wasm/wasm_bg.wasm'));
// The package is made for Node.js; the parts that need Node are at its end, and `require('util')`.
const [glue] = readFileSync(resolve('@swc/wasm'), 'utf8').split("const path = require('path')");
const source = Array.from(
  { length: 200 },
  (_, i) => `export class Circle${i} { readonly kind = 'circle'; static #made = 0;
    constructor(private readonly radius: number, public name?: string) { Circle${i}.#made++; }
    area(scale = ${i}): number { return Math.PI * this.radius ** 2 * (this.name?.length ?? scale); }
    async *walk({ from = 0, ...rest }) { for (let step = from; step < this.radius; step++) yield { step, ...rest }; } }`,
).join('\n');
const script = `globalThis.startSwc = async (wasmModule) => {
  const module = { exports: {} };
  const require = () => globalThis;
  ${glue}
  wasm = (await WebAssembly.instantiate(wasmModule, imports)).exports;
  const options = { jsc: { parser: { syntax: 'typescript' }, target: 'es2015' }, minify: true };
  globalThis.work = () => module.exports.transformSync(${JSON.stringify(source)}, options).code.length;
};`;

const key = createHash('sha256').update(wasm).digest('hex');
const loads = {
  'compileStreaming(fetch(url))': `{ module: await WebAssembly.compileStreaming(fetch('/swc.wasm')) }`,
  'loadModule(url)': `await library.loadModule('/swc.wasm', { cache: new library.CacheStorageCache() })`,
  'loadModule(url, { key })': `await library.loadModule('/swc.wasm', { cache: new library.CacheStorageCache(), key: library.ModuleHash.parseHex('${key}') })`,
};
const servers = { 'max-age': 'max-age=3600', 'no-store': 'no-store' };

const site = new Site();
await site.start();
site.script('/swc.js', script);
const rows = [];
try {
  for (const [header, cacheControl] of Object.entries(servers)) {
    site.module('/swc.wasm', wasm, { 'cache-control': cacheControl });
    const ways = Object.entries(loads).map(([how, load]) => ({ how, load, seen: [], profile: newProfile() }));
    // In turn, because the speed of the machine changes.
    for (let i = 0; i < visits; i++) {
      for (const { profile, load, seen } of ways) seen.push(await visit(profile, load, i === 0));
    }
    for (const { how, seen, profile } of ways) {
      const [first, ...later] = seen;
      const middle = (name) => median(later.map((each) => each[name]));
      rows.push({
        ...{ header, how, first, load: middle('load'), work: middle('work') },
        optimised: later.filter((each) => each.optimised).length,
        requests: later.reduce((sum, each) => sum + each.requests, 0),
      });
      rmSync(profile, { recursive: true, force: true });
    }
  }
} finally {
  await site.stop();
}
report();

function newProfile() {
  return mkdtempSync(path.join(tmpdir(), 'wasm-cache-browser-'));
}

async function visit(profile, load, isFirst) {
  const browser = new Browser(profile);
  try {
    await browser.open(`${site.origin}/`);
    await browser.run((address) => import(address), '/swc.js');
    site.requests.length = 0;
    let found;
    const traced = await browser.trace(['disabled-by-default-devtools.timeline'], async () => {
      found = await browser.run(
        new Function(`return (async () => {
          const start = performance.now();
          const { module } = ${load};
          const loaded = performance.now();
          await startSwc(module);
          work();
          return { load: loaded - start, work: performance.now() - loaded };
        })()`),
      );
    });
    if (isFirst) {
      const saved = () =>
        readdirSync(path.join(profile, 'Default/Code Cache/wasm')).some((each) => each.endsWith('_0'));
      const end = Date.now() + SAVE_TIMEOUT;
      while (!saved() && Date.now() < end) {
        await browser.run(() => globalThis.work());
        await sleep(10);
      }
    }
    const requests = site.count('/swc.wasm');
    return { ...found, optimised: traced.has('v8.wasm.moduleCacheHit'), requests };
  } finally {
    await browser.quit();
  }
}

function report() {
  if (values.json) {
    console.log(JSON.stringify(rows, undefined, 2));
    return;
  }
  const head = [
    'cache-control',
    'how',
    'first: load',
    'first: work',
    'later: load',
    'later: work',
    'optimised',
    'requests',
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  const ms = (value) => `${Math.round(value)} ms`;
  for (const { header, how, first, load, work, optimised, requests } of rows) {
    const hits = `${optimised} of ${visits - 1}`;
    table.push([header, how, ms(first.load), ms(first.work), ms(load), ms(work), hits, requests]);
  }
  console.log(
    `${table}\nlater: medians of ${visits - 1} visits; optimised: those that had code from Chromium's code cache`,
  );
}
