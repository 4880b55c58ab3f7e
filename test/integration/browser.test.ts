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

/** Runs in the page. */
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
  it('imports nothing, and a bundler leaves out everything of Node and everything unused', async (t) => {
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

  it('the previous test can fail: it would find parts of Node', async () => {
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

  /** A page of a new origin without any data. */
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
      import { SharedCache } from './dist/browser/shared.js';
      import { ThreadLocalCache } from './dist/caches/thread-local.js';
      import { runAll } from './.test-build/support/browser-tests.js';
      syncModuleCacheContract('ThreadLocalCache', () => new ThreadLocalCache());
      syncModuleCacheContract('SharedCache', () => new SharedCache());
      moduleCacheContract('SharedCache over a port', () => new SharedCache({ port: new SharedCache().openPort() }));
      moduleCacheContract('both', () => new SharedCache().withFallback(new ThreadLocalCache()));
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

  it('a thread that does not answer is a miss, and a signal ends the wait', async () => {
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

  it('the length of a compressed download is not used as that of the module', async () => {
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

  it('all callers who ask for the same module share one load', async () => {
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

  it('a missing module, a failing server and a broken download end the load with an error', async () => {
    site.resources.set('/failing.wasm', (response) => response.writeHead(503).end());
    site.resources.set('/broken.wasm', (response) => {
      response.writeHead(200, { 'content-type': 'application/wasm' });
      response.write(sql.subarray(0, 100_000), () => response.destroy());
    });
    await emptyPage();
    const errors = await browser.run(async () => {
      const cache = library.inMemory();
      const load = (address: string) => library.loadModule(address, { cache }).catch((error: unknown) => String(error));
      return [await load('/missing.wasm'), await load('/failing.wasm'), await load('/broken.wasm')];
    });
    assert.equal(errors[0], `CacheError: ${site.origin}/missing.wasm is no module: 404 Not Found`);
    assert.equal(errors[1], `CacheError: ${site.origin}/failing.wasm is no module: 503 Service Unavailable`);
    assert.match(String(errors[2]), /^TypeError: network error/);
  });

  it('a module with a key comes from the cache without a request, and other bytes are refused', async () => {
    site.module('/sql.wasm', sql, { 'cache-control': 'no-store' });
    await emptyPage();
    const found = await browser.run(async (hex: string) => {
      const cache = library.inMemory();
      const key = library.ModuleHash.parseHex(hex);
      const hits = [];
      for (let i = 0; i < 2; i++) hits.push((await library.loadModule('/sql.wasm', { cache, key })).cache === cache);
      const other = { cache, key: library.ModuleHash.random() };
      const refused = await library.loadModule('/sql.wasm', other).catch((error: Library.CacheError) => error.kind);
      return [...hits, refused];
    }, sqlKey);
    assert.deepEqual(found, [false, true, 'Untrusted']);
    assert.equal(site.count('/sql.wasm'), 2);
  });

  it('a failing cache does not fail the load, and is reported as a step', async () => {
    await emptyPage();
    const outcomes = await browser.run(async () => {
      class BrokenCache extends library.ModuleCacheBase {
        load = () => Promise.reject(new Error('no load'));
        contains = () => Promise.reject(new Error('no look'));
        save = () => Promise.reject(new Error('no save'));
      }
      const wireBytes = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
      const { source, steps } = await library.loadModule(wireBytes, { cache: new BrokenCache() });
      return [source, ...steps.map(({ step, outcome, error }) => `${step} ${outcome} ${error}`)];
    });
    assert.deepEqual(outcomes, [
      'compiler',
      'lookup failed Error: no load',
      'compile compiled undefined',
      'save failed Error: no save',
    ]);
  });

  it('a page in an insecure context gets its modules, hashed by JavaScript', async () => {
    site.module('/sql.wasm', sql);
    const insecure = new Browser(undefined, ['--host-resolver-rules=MAP insecure.test 127.0.0.1']);
    try {
      await insecure.open(`http://insecure.test:${site.port}/`);
      const found = await insecure.run(async () => {
        const { key, source } = await library.loadModule('/sql.wasm', { cache: library.inMemory() });
        return [isSecureContext, String(key), source];
      });
      assert.deepEqual(found, [false, sqlKey, 'compiler']);
    } finally {
      await insecure.close();
    }
  });

  it('a second visit has what V8 optimised in the first', async (t) => {
    site.module('/sql.wasm', sql, { 'cache-control': 'max-age=3600' });
    site.script('/sql.js', readFileSync(path.join(root, 'node_modules/sql.js/dist/sql-wasm-browser.js'), 'utf8'));
    const profile = temporaryDirectory();
    const codeCache = path.join(profile, 'Default/Code Cache/wasm');
    // Chromium usually writes when V8 has optimised 1 MB of code; here after 1 kB.
    const flags = ['--js-flags=--wasm-caching-hard-threshold=1000'];
    const visit = async (how: string, prepare?: (visitor: Browser) => Promise<unknown>) => {
      const visitor = new Browser(profile, flags);
      try {
        await visitor.open(`${site.origin}/`);
        await prepare?.(visitor);
        site.requests.length = 0;
        let found: Awaited<ReturnType<typeof query>> | undefined;
        const traced = await visitor.trace(['disabled-by-default-devtools.timeline'], async () => {
          found = await visitor.run(query);
        });
        const isOptimised = () => readdirSync(codeCache).some((each) => each.endsWith('_0'));
        for (let i = 0; !isOptimised() && i < 300; i++) {
          await visitor.run(queryAgain);
          await sleep(100);
        }
        const fromCodeCache = traced.has('v8.wasm.moduleCacheHit');
        const optimised = fromCodeCache ? 'optimised code' : 'nothing optimised';
        t.diagnostic(`${how}: ${optimised}; loaded in ${found?.load} ms, first queries in ${found?.first} ms`);
        return [fromCodeCache, found?.sum, site.count('/sql.wasm')];
      } finally {
        await visitor.quit();
      }
    };
    assert.deepEqual(await visit('first visit'), [false, 1999000, 1]);
    assert.deepEqual(await visit('second visit'), [true, 1999000, 0]);
    const clear = (visitor: Browser) => visitor.call('Network.clearBrowserCache');
    assert.deepEqual(await visit('HTTP cache emptied', clear), [false, 1999000, 1]);
  });

  it('wrong options and sources get a clear error', async () => {
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

/** Runs in the page: loads sql.js with this package, and queries a database. */
async function query() {
  const script = Object.assign(document.createElement('script'), { src: '/sql.js' });
  await new Promise((resolve) => document.head.append(Object.assign(script, { onload: resolve })));
  const start = performance.now();
  const { module } = await library.loadModule('/sql.wasm', { cache: library.inMemory() });
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
  return { sum, load: Math.round(loaded - start), first: Math.round(end - loaded) };
}

function queryAgain() {
  (globalThis as unknown as { ask(): number }).ask();
}
