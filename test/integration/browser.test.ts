import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build } from 'esbuild';
import type * as Library from '../../dist/browser.js';
import { sumModule } from '../../dist/testing/modules.js';
import { Browser, chromiumMissing } from '../support/browser.js';
import { root, temporaryDirectory } from '../support/processes.js';
import { Site } from '../support/site.js';

/** In the page. */
declare const library: typeof Library;

const sql = readFileSync(path.join(root, 'node_modules/sql.js/dist/sql-wasm-browser.wasm'));
const sqlKey = createHash('sha256').update(sql).digest('hex');

const options = {
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'browser',
  minify: true,
  metafile: true,
  logLevel: 'silent',
  absWorkingDir: root,
} satisfies BuildOptions;

describe('dist/browser.js', () => {
  it('imports nothing, and is bundled for a browser without anything of Node and of what is not used', async (t) => {
    const size = async (contents: string) => {
      const built = await build({ ...options, stdin: { contents, resolveDir: root } });
      const inputs = Object.keys(built.metafile.inputs);
      assert.deepEqual(inputs.sort(), ['<stdin>', 'dist/browser.js']);
      assert.deepEqual(built.metafile.inputs['dist/browser.js']?.imports, [], 'so that a page can load it as it is');
      const [output] = Object.values(built.metafile.outputs);
      assert.deepEqual(output?.imports, []);
      return built.outputFiles[0]?.contents.length as number;
    };
    const all = await size(`export * from 'wasm-module-cache/browser';`);
    const some = await size(
      `import { ThreadLocalCache } from 'wasm-module-cache/browser'; console.log(ThreadLocalCache);`,
    );
    t.diagnostic(`a bundle with all of it has ${all} bytes, one with ThreadLocalCache alone ${some}`);
    assert.ok(some < 0.7 * all);
  });

  it('the test before would have seen what is of Node', async () => {
    const contents = `import 'wasm-module-cache';`;
    await assert.rejects(build({ ...options, stdin: { contents, resolveDir: root } }), /Could not resolve "node:/);
  });
});

describe('in Chromium', { skip: chromiumMissing() }, () => {
  const site = new Site();
  let browser: Browser;
  before(async () => {
    await site.start();
    browser = new Browser();
  });
  after(async () => {
    await browser?.close();
    await site.stop();
  });

  /** A page of an origin without any data. */
  async function emptyPage(): Promise<void> {
    await browser.open(`${site.origin}/`);
    const storageTypes = 'all';
    await browser.call('Storage.clearDataForOrigin', { origin: site.origin, storageTypes });
    await browser.call('Network.clearBrowserCache');
    site.requests.length = 0;
  }

  it('the strategies keep the contract of ModuleCache', async (t) => {
    const contents = `
      import { moduleCacheContract, syncModuleCacheContract } from './dist/testing/contract.js';
      import { CacheStorageCache } from './dist/browser/cache-storage.js';
      import { SharedCache } from './dist/browser/shared.js';
      import { ThreadLocalCache } from './dist/caches/thread-local.js';
      import { runAll } from './.test-build/support/browser-tests.js';
      let made = 0;
      const storage = () => new CacheStorageCache({ name: 'contract ' + made++ });
      syncModuleCacheContract('ThreadLocalCache', () => new ThreadLocalCache());
      syncModuleCacheContract('SharedCache', () => new SharedCache());
      moduleCacheContract('SharedCache over a port', () => new SharedCache({ port: new SharedCache().openPort() }));
      moduleCacheContract('CacheStorageCache', storage);
      moduleCacheContract('both', () => new SharedCache().withFallback(storage()));
      globalThis.outcome = runAll();`;
    const alias = Object.fromEntries(
      ['node:test', 'node:assert/strict'].map((name) => [name, './.test-build/support/browser-tests.js']),
    );
    const inject = ['scripts/browser-globals.js'];
    const built = await build({ ...options, stdin: { contents, resolveDir: root }, alias, inject });
    site.script('/contract.js', built.outputFiles[0]?.text as string);
    await emptyPage();
    const { passed, failures } = await browser.run(async () => {
      await import('/contract.js' as string);
      return (globalThis as unknown as { outcome: Promise<{ passed: number; failures: string[] }> }).outcome;
    });
    t.diagnostic(`${passed} tests of the contract passed in Chromium`);
    assert.deepEqual(failures, []);
    assert.ok(passed > 70, `${passed} tests`);
  });

  it('a page and its workers share a module, which is compiled once', async (t) => {
    site.module('/sql.wasm', sql);
    site.script(
      '/worker.js',
      `import { loadModule, ModuleHash, SharedCache } from '/dist/browser.js';
      let compiled = 0;
      for (const name of ['compile', 'compileStreaming', 'instantiate', 'instantiateStreaming', 'Module']) {
        WebAssembly[name] = new Proxy(WebAssembly[name], {
          apply(...args) { compiled++; return Reflect.apply(...args); },
          construct(...args) { compiled++; return Reflect.construct(...args); },
        });
      }
      onmessage = async ({ data: { port, key, other } }) => {
        const cache = new SharedCache({ port });
        const { source, module, duration } = await loadModule('/sql.wasm', { cache, key: ModuleHash.parseHex(key) });
        const exports = WebAssembly.Module.exports(module).length;
        const first = compiled;
        const saved = other && await loadModule(Uint8Array.from(other), { cache });
        postMessage({ source, duration, exports, compiled: first, other: saved && String(saved.key) });
      };`,
    );
    await emptyPage();
    const found = await browser.run(
      async (other: number[]) => {
        const { BrowserEngine, loadModule, ModuleHash, SharedCache } = library;
        const cache = new SharedCache();
        const { key, source, module, duration } = await loadModule('/sql.wasm', { cache });
        const ask = (message: object) =>
          new Promise<{ source: string; duration: number; exports: number; compiled: number; other?: string }>(
            (resolve, reject) => {
              const worker = new Worker('/worker.js', { type: 'module' });
              worker.onmessage = ({ data }) => resolve(data);
              worker.onerror = ({ message }) => reject(new Error(message));
              const port = cache.openPort();
              worker.postMessage({ port, key: String(key), ...message }, [port]);
            },
          );
        const workers = [await ask({ other }), await ask({ other })];
        const ofWorker = ModuleHash.parseHex(String(workers[0]?.other));
        const isHere = await cache.contains(ofWorker, new BrowserEngine());
        return { source, duration, exports: WebAssembly.Module.exports(module).length, workers, isHere };
      },
      [...sumModule()],
    );
    const { workers, exports } = found;
    const [ofPage, ...ofWorkers] = [found, ...workers].map(({ duration }) => duration.toFixed(1));
    t.diagnostic(`the page loaded the module in ${ofPage} ms, its workers in ${ofWorkers.join(' and ')} ms`);
    assert.equal(found.source, 'compiler');
    assert.deepEqual(
      workers.map((each) => [each.source, each.compiled, each.exports]),
      [
        ['cache', 0, exports],
        ['cache', 0, exports],
      ],
    );
    assert.equal(found.isHere, true, 'what a worker saved');
    assert.equal(site.count('/sql.wasm'), 1);
  });

  it('a thread that does not answer is a miss, and a signal ends the waiting', async () => {
    await emptyPage();
    const found = await browser.run(async () => {
      const { BrowserEngine, CacheError, ModuleHash, SharedCache } = library;
      const ask = (waitAtMost: number, signal?: AbortSignal) => {
        const cache = new SharedCache({ port: new MessageChannel().port1, waitAtMost });
        return cache.load(ModuleHash.random(), new BrowserEngine(), { signal }).catch((error: unknown) => error);
      };
      const miss = await ask(10);
      const aborted = await ask(1e6, AbortSignal.timeout(10));
      return [CacheError.is(miss, 'NotFound'), (aborted as Error).name];
    });
    assert.deepEqual(found, [true, 'TimeoutError']);
  });

  it('a service worker is told that it cannot have modules', async () => {
    site.module('/sql.wasm', sql);
    site.script(
      '/service-worker.js',
      `import { BrowserEngine, ModuleHash, SharedCache } from '/dist/browser.js';
      onmessage = ({ source, data: { port, key } }) => {
        const cache = new SharedCache({ port, waitAtMost: 1e6 });
        const outcome = cache.load(ModuleHash.parseHex(key), new BrowserEngine()).then(() => 'a module', (error) => error.kind + ': ' + error.message);
        outcome.then((text) => source.postMessage(text));
      };`,
    );
    await emptyPage();
    const text = await browser.run(async () => {
      const cache = new library.SharedCache();
      const { key } = await library.loadModule('/sql.wasm', { cache });
      await navigator.serviceWorker.register('/service-worker.js', { type: 'module' });
      const { active } = await navigator.serviceWorker.ready;
      return new Promise<string>((resolve) => {
        navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
        const port = cache.openPort();
        active?.postMessage({ port, key: String(key) }, [port]);
      });
    });
    assert.match(text, /^Other: A browser shares modules only with dedicated workers/);
  });

  /** The bytes of each report, and the total. */
  async function reportsOf(address: string) {
    await emptyPage();
    return await browser.run(async (address: string) => {
      const reports: Library.DownloadProgress[] = [];
      await library.loadModule(address, {
        cache: new library.ThreadLocalCache(),
        onProgress: (each) => each.state === 'reading' && each.step === 'compile' && reports.push(each),
      });
      return reports.map(({ bytes, totalBytes }) => [bytes, totalBytes] as const);
    }, address);
  }

  it('the length of a compressed download is not taken for that of the module', async () => {
    const headers = { 'content-encoding': 'gzip', 'access-control-allow-origin': '*' };
    site.module('/sql.wasm', gzipSync(sql), headers);
    for (const origin of [site.origin, `http://localhost:${site.port}`]) {
      const reports = await reportsOf(`${origin}/sql.wasm`);
      assert.deepEqual(reports.at(-1), [sql.length, null], origin); // undefined, in JSON
    }
  });

  it('progress adds up to the length of the module', async () => {
    site.module('/sql.wasm', sql);
    const reports = await reportsOf('/sql.wasm');
    for (const [at, [bytes, totalBytes]] of reports.entries()) {
      assert.ok(bytes > (reports[at - 1]?.[0] ?? 0));
      assert.equal(totalBytes, sql.length);
    }
    assert.equal(reports.at(-1)?.[0], sql.length);
  });

  it('a signal, and an error of onProgress, end the load and its download', async () => {
    let [opened, open] = [0, 0];
    site.resources.set('/endless.wasm', (response) => {
      opened++;
      open++;
      response.on('close', () => open--);
      response.writeHead(200, { 'content-type': 'application/wasm' }).write(sql.subarray(0, 100_000));
    });
    await emptyPage();
    const errors = await browser.run(async () => {
      const cache = new library.ThreadLocalCache();
      const load = (options: Partial<Library.LoadModuleOptions>) =>
        library.loadModule('/endless.wasm', { cache, ...options }).catch((error: unknown) => String(error));
      const controller = new AbortController();
      const onProgress = ({ state }: Library.BrowserLoadProgress) => {
        if (state === 'reading') controller.abort('enough');
      };
      const thrower = ({ state }: Library.BrowserLoadProgress) => {
        if (state === 'reading') throw new Error('thrown');
      };
      return [await load({ signal: controller.signal, onProgress }), await load({ onProgress: thrower })];
    });
    assert.deepEqual(errors, ['enough', 'Error: thrown']);
    for (let i = 0; open > 0 && i < 600; i++) await sleep(50);
    assert.ok(opened >= 2);
    assert.equal(open, 0, 'downloads that the browser goes on with');
  });

  it('one load is shared by all who ask for the same', async () => {
    site.module('/sql.wasm', sql, { 'cache-control': 'no-store' });
    await emptyPage();
    const isOne = await browser.run(async () => {
      const cache = new library.ThreadLocalCache();
      const [one, other] = await Promise.all([1, 2].map(() => library.loadModule('/sql.wasm', { cache })));
      return one?.module === other?.module;
    });
    assert.equal(isOne, true);
    assert.equal(site.count('/sql.wasm'), 1);
  });

  it('a second visit without a network has the module, in a new process of the browser', async () => {
    site.module('/sql.wasm', sql, { 'cache-control': 'no-store' });
    const profile = temporaryDirectory();
    const visit = async (offline: boolean) => {
      const visitor = new Browser(profile);
      try {
        await visitor.open(`${site.origin}/`);
        const conditions = { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
        await visitor.call('Network.enable');
        await visitor.call('Network.emulateNetworkConditions', conditions);
        return await visitor.run(async () => {
          const { CacheStorageCache, inMemory, loadModule } = library;
          const cache = inMemory().withFallback(new CacheStorageCache());
          const { source, key, ...loaded } = await loadModule('/sql.wasm', { cache });
          await loaded.saved;
          const missing = await loadModule('/missing.wasm', { cache }).catch(
            (error: Error) => `${error.name} ${error.message}`,
          );
          return [source, String(key), loaded.cache === cache.fallback, missing];
        });
      } finally {
        await visitor.quit();
      }
    };
    assert.deepEqual(await visit(false), [
      'compiler',
      sqlKey,
      false,
      `CacheError ${site.origin}/missing.wasm is no module: 404 Not Found`,
    ]);
    assert.deepEqual(await visit(true), ['compiler', sqlKey, true, 'TypeError Failed to fetch']);
  });

  it('a server that fails is as good as none, and a new version takes the place of the old one', async () => {
    await emptyPage();
    const load = () =>
      browser.run(async () => {
        const cache = new library.CacheStorageCache();
        const { cache: found, key, saved } = await library.loadModule('/versions.wasm', { cache });
        await saved;
        const entries = await (await caches.open('wasm-module-cache')).keys();
        return [found === cache, String(key), entries.length] as const;
      });
    const noStore = { 'cache-control': 'no-store' };
    const keys = [1, 2].map((offset) => createHash('sha256').update(sumModule({ offset })).digest('hex'));
    site.module('/versions.wasm', sumModule({ offset: 1 }), noStore);
    assert.deepEqual(await load(), [false, keys[0], 1]);
    site.module('/versions.wasm', sumModule({ offset: 2 }), noStore);
    assert.deepEqual(await load(), [false, keys[1], 1]);
    site.resources.set('/versions.wasm', (response) => response.writeHead(503).end());
    assert.deepEqual(await load(), [true, keys[1], 1]);
    site.resources.set('/versions.wasm', (response) => {
      response.writeHead(200, { 'content-type': 'application/wasm' });
      response.write(sql.subarray(0, 100_000), () => response.destroy());
    });
    assert.deepEqual(await load(), [true, keys[1], 1]);
  });

  it('a module with a key comes from Cache Storage without a request, and other bytes are refused', async () => {
    site.module('/sql.wasm', sql, { 'cache-control': 'no-store' });
    await emptyPage();
    const found = await browser.run(async (hex: string) => {
      const cache = new library.CacheStorageCache();
      const key = library.ModuleHash.parseHex(hex);
      const hits = [];
      for (let i = 0; i < 2; i++) {
        const loaded = await library.loadModule('/sql.wasm', { cache, key });
        await loaded.saved;
        hits.push(loaded.cache === cache);
      }
      const other = { cache, key: library.ModuleHash.random() };
      const refused = await library.loadModule('/sql.wasm', other).catch((error: Library.CacheError) => error.kind);
      return [...hits, refused, (await (await caches.open('wasm-module-cache')).keys()).length];
    }, sqlKey);
    assert.deepEqual(found, [false, true, 'Untrusted', 1]);
    assert.equal(site.count('/sql.wasm'), 2);
  });

  it('a damaged entry of Cache Storage is a miss, and is replaced', async () => {
    site.module('/sql.wasm', sql, { 'cache-control': 'no-store' });
    await emptyPage();
    for (const damage of ['another', 'cut', 'empty'] as const) {
      const found = await browser.run(
        async (hex: string, damage: string) => {
          const cache = new library.CacheStorageCache();
          const key = library.ModuleHash.parseHex(hex);
          const load = async () => {
            const loaded = await library.loadModule('/sql.wasm', { cache, key });
            await loaded.saved;
            return loaded;
          };
          await load();
          const storage = await caches.open('wasm-module-cache');
          const [request] = await storage.keys();
          const bytes = new Uint8Array((await (await storage.match(request as Request))?.arrayBuffer()) as ArrayBuffer);
          if (damage === 'another') bytes[500_000] = (bytes[500_000] as number) ^ 1;
          const length = { another: bytes.length, cut: 100_000, empty: 0 }[damage];
          await storage.put(request as Request, new Response(bytes.slice(0, length)));
          const loads = [];
          for (let i = 0; i < 2; i++) loads.push(await load());
          const [first] = loads[0]?.steps ?? [];
          return [...loads.map((each) => each.cache === cache), String(first?.error)];
        },
        sqlKey,
        damage,
      );
      const error = `CacheError: The entry of ${sqlKey} in Cache Storage was damaged, and is removed`;
      assert.deepEqual(found, [false, true, error], damage);
    }
  });

  it('where the quota is used up, the oldest modules go; what alone is too large is loaded all the same', async () => {
    await emptyPage();
    await browser.call('Storage.overrideQuotaForOrigin', { origin: site.origin, quotaSize: 5_000_000 });
    try {
      const found = await browser.run(async () => {
        const { BrowserEngine, CacheStorageCache, loadModule } = library;
        const cache = new CacheStorageCache();
        /** Nothing but a custom section, whose length takes four bytes. */
        const moduleOf = (mark: number, padding: number) => {
          const length = [0, 7, 14, 21].map((shift) => ((padding >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0));
          const bytes = new Uint8Array(13 + padding);
          bytes.set([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, ...length, 1, mark]);
          return bytes;
        };
        const keys = [];
        for (const mark of [1, 2, 3, 4]) {
          const { key, saved } = await loadModule(moduleOf(mark, 1_500_000), { cache });
          await saved;
          keys.push(key);
        }
        const large = await loadModule(moduleOf(5, 8_000_000), { cache });
        const error = (await large.saved)?.error as Error;
        const kept = [];
        for (const key of keys) kept.push(await cache.contains(key, new BrowserEngine()));
        return { kept, source: large.source, error: String(error), cause: (error.cause as Error).name };
      });
      assert.deepEqual(found, {
        kept: [false, true, true, true],
        source: 'compiler',
        error: found.error,
        cause: 'QuotaExceededError',
      });
      assert.match(found.error, /^CacheError: 8000013 bytes could not be put into Cache Storage: QuotaExceededError/);
    } finally {
      await browser.call('Storage.overrideQuotaForOrigin', { origin: site.origin });
    }
  });

  it('a page that is no secure context has its modules, and is told why they are not kept', async () => {
    site.module('/sql.wasm', sql);
    const insecure = new Browser(undefined, ['--host-resolver-rules=MAP insecure.test 127.0.0.1']);
    try {
      await insecure.open(`http://insecure.test:${site.port}/`);
      const found = await insecure.run(async () => {
        const cache = new library.CacheStorageCache();
        const { key, source, saved } = await library.loadModule('/sql.wasm', { cache });
        return [isSecureContext, String(key), source, String((await saved)?.error)];
      });
      const error = `CacheError: There is no Cache Storage at http://insecure.test:${site.port}: it needs a browser, and https or localhost`;
      assert.deepEqual(found, [false, sqlKey, 'compiler', error]);
    } finally {
      await insecure.close();
    }
  });

  it('a second visit has what V8 optimised in the first, by address and by key, and from Cache Storage not', async (t) => {
    site.module('/sql.wasm', sql, { 'cache-control': 'max-age=3600' });
    site.script('/sql.js', readFileSync(path.join(root, 'node_modules/sql.js/dist/sql-wasm-browser.js'), 'utf8'));
    const profile = temporaryDirectory();
    const codeCache = path.join(profile, 'Default/Code Cache/wasm');
    // Chromium writes when V8 has optimised 1 MB of code; here after 1 kB.
    const flags = ['--js-flags=--wasm-caching-hard-threshold=1000'];
    const visit = async (how: string, key: string | undefined, prepare?: (visitor: Browser) => Promise<unknown>) => {
      const visitor = new Browser(profile, flags);
      try {
        await visitor.open(`${site.origin}/`);
        await prepare?.(visitor);
        site.requests.length = 0;
        let found: Awaited<ReturnType<typeof query>> | undefined;
        const traced = await visitor.trace(['disabled-by-default-devtools.timeline'], async () => {
          found = await visitor.run(query, key);
        });
        const isOptimised = () => readdirSync(codeCache).some((each) => each.endsWith('_0'));
        for (let i = 0; !isOptimised() && i < 300; i++) {
          await visitor.run(queryAgain);
          await sleep(100);
        }
        const fromCodeCache = traced.has('v8.wasm.moduleCacheHit');
        const { stored, load, first } = found ?? {};
        const optimised = fromCodeCache ? 'optimised code' : 'nothing optimised';
        t.diagnostic(`${how}: ${optimised}; loaded in ${load} ms, first queries in ${first} ms`);
        return [stored, fromCodeCache, found?.sum, site.count('/sql.wasm')];
      } finally {
        await visitor.quit();
      }
    };
    assert.deepEqual(await visit('first visit', undefined), [false, false, 1999000, 1]);
    assert.deepEqual(await visit('second visit, by address', undefined), [false, true, 1999000, 0]);
    assert.deepEqual(await visit('third visit, by key', sqlKey), [true, true, 1999000, 0]);
    const clear = (visitor: Browser) => visitor.call('Network.clearBrowserCache');
    const found = await visit('HTTP cache emptied, by key', sqlKey, clear);
    assert.deepEqual(found, [true, false, 1999000, 0]);
  });

  it('options and sources that are wrong get a clear error', async () => {
    await emptyPage();
    const messages = await browser.run(async () => {
      const cache = new library.ThreadLocalCache();
      const load = (source: unknown, options: object) =>
        library
          .loadModule(source as string, options as Library.LoadModuleOptions)
          .catch((error: unknown) => String(error));
      return Promise.all([
        load('/sql.wasm', {}),
        load('/sql.wasm', { cache, key: 'abc' }),
        load('/sql.wasm', { cache, engine: 1 }),
        load(7, { cache }),
        load('http://', { cache }),
      ]);
    });
    assert.match(String(messages[0]), /^TypeError: The option cache must be a ModuleCache, not undefined/);
    assert.match(String(messages[1]), /^TypeError: The option key must be a ModuleHash .* not abc/);
    assert.match(String(messages[2]), /^TypeError: The option engine must be a BrowserEngine, not 1/);
    assert.match(String(messages[3]), /^TypeError: Wire bytes must be an ArrayBuffer.*, not number/);
    assert.match(String(messages[4]), /^TypeError: .*Invalid URL/);
  });
});

/** In the page: loads sql.js with this package, and asks a database. */
async function query(key: string | undefined) {
  const script = Object.assign(document.createElement('script'), { src: '/sql.js' });
  await new Promise((resolve) => document.head.append(Object.assign(script, { onload: resolve })));
  const { CacheStorageCache, inMemory, loadModule, ModuleHash } = library;
  const cache = inMemory().withFallback(new CacheStorageCache());
  const start = performance.now();
  const { module, ...found } = await loadModule('/sql.wasm', {
    cache,
    key: key ? ModuleHash.parseHex(key) : undefined,
  });
  const loaded = performance.now();
  const page = globalThis as unknown as { initSqlJs(options: object): Promise<unknown>; ask(): number };
  const SQL = (await page.initSqlJs({
    instantiateWasm(imports: WebAssembly.Imports, callback: (instance: WebAssembly.Instance) => void) {
      WebAssembly.instantiate(module, imports).then(callback);
      return {};
    },
  })) as {
    Database: new () => { run(sql: string, values?: unknown[]): void; exec(sql: string): { values: number[][] }[] };
  };
  page.ask = () => {
    const database = new SQL.Database();
    database.run('create table t(a int, b text)');
    for (let i = 0; i < 2000; i++) database.run('insert into t values (?, ?)', [i, `x${i}`]);
    return database.exec('select sum(a) from t where b > 1')[0]?.values[0]?.[0] as number;
  };
  const sum = page.ask();
  const end = performance.now();
  await found.saved;
  return {
    stored: found.cache === cache.fallback,
    sum,
    load: Math.round(loaded - start),
    first: Math.round(end - loaded),
  };
}

function queryAgain() {
  (globalThis as unknown as { ask(): number }).ask();
}
