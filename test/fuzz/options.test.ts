import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe } from 'node:test';
import fc from 'fast-check';
import {
  enableModuleCache,
  FileSystemCache,
  getModuleCacheDir,
  type LoadModuleOptions,
  loadModule,
  loadModuleSync,
  ThreadLocalCache,
  verifyCache,
} from '../../dist/index.js';
import { parseDuration, parseSize } from '../../dist/settings/kinds.js';
import { parseRemoteUrl } from '../../dist/stores/remote-url.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { sumModule } from '../../dist/testing/modules.js';
import { arbitraryJunk, arbitraryText, holds } from '../support/fuzz.js';
import { temporaryDirectory } from '../support/processes.js';

// The settings of this process must not matter here.
for (const name of Object.keys(process.env)) if (name.startsWith('WASM_CACHE_')) delete process.env[name];

const folder = path.join(temporaryDirectory(), 'cache');

/** The valid types of an option besides `undefined`, and some valid values. */
interface Option {
  isRight: (value: unknown) => boolean;
  right: unknown[];
  /** What a message about it contains, if not its name. */
  named?: RegExp;
}

const isSecret = (value: unknown) => typeof value === 'string' && Buffer.byteLength(value) >= 16 && !/\s/.test(value);
const secret: Option = {
  isRight: (value) => (Array.isArray(value) ? value.length > 0 && value.every(isSecret) : isSecret(value)),
  right: ['a-secret-of-many-letters', ['another-secret-of-them', 'a-secret-of-many-letters']],
  named: /secret/i,
};
const directory: Option = { isRight: (value) => typeof value === 'string' && value !== '', right: [folder] };
const oneOf = (...values: unknown[]): Option => ({ isRight: (value) => values.includes(value), right: values });
const number = (min: number, max = Infinity): Option => ({
  isRight: (value) => typeof value === 'number' && value >= min && value <= max,
  right: [min, 1000.5, max],
});
const size = (min: number): Option => {
  const { isRight, right } = number(min);
  return {
    isRight: (value) => isRight(typeof value === 'string' ? parseSize(value) : value),
    right: [...right, '1MiB', ' 5 kB '],
  };
};

const isAddress = (value: unknown) => {
  try {
    return parseRemoteUrl(value as string) !== undefined;
  } catch {
    return false;
  }
};
const isTimeout = (value: unknown) => {
  const timeout = typeof value === 'string' ? parseDuration(value) : value;
  return typeof timeout === 'number' && timeout >= 1 && timeout <= 60_000;
};

interface Case {
  options: Record<string, unknown>;
  /** The wrong option. */
  wrong: string;
}

const junk = fc.oneof(arbitraryJunk, arbitraryText, fc.array(arbitraryJunk, { maxLength: 3 }));

/** Valid options, some of them missing, and one wrong option. */
function casesOf(options: Record<string, Option>): fc.Arbitrary<Case> {
  const names = Object.keys(options);
  const right = fc.record(
    Object.fromEntries(names.map((name) => [name, fc.constantFrom(undefined, ...(options[name] as Option).right)])),
  );
  const wrong = fc
    .tuple(fc.constantFrom(...names), junk)
    .filter(([name, value]) => value !== undefined && !(options[name] as Option).isRight(value));
  return fc
    .tuple(right, wrong)
    .map(([others, [name, value]]) => ({ options: { ...others, [name]: value }, wrong: name }));
}

const says = (options: Record<string, Option>, { wrong }: Case) =>
  options[wrong]?.named ?? new RegExp(`\\b${wrong}\\b`);

/** A program may forget the argument altogether. */
const noOptions = junk.filter(
  (value) => value === null || typeof value !== 'object' || Object.keys(value).length === 0,
);

describe('enableModuleCache', () => {
  const options: Record<string, Option> = {
    directory,
    mode: oneOf('read-write', 'read-only', 'off'),
    minModuleSize: size(0),
    learn: oneOf('auto', 'hot', 'full', 'off'),
    maxSize: size(1),
    secret,
    // With a secret or without.
    remote: { isRight: isAddress, right: [undefined], named: /option remote\b|allowUnsigned: true/ },
    remoteTimeout: { isRight: isTimeout, right: [1, 60_000, '1s', ' 250 MS '] },
    allowUnsigned: oneOf(true, false),
    remoteMode: oneOf('read-write', 'read-only', 'write-only'),
    statistics: oneOf(true, false),
  };
  const surface = () => [
    ...Reflect.ownKeys(WebAssembly).map((name) => Reflect.getOwnPropertyDescriptor(WebAssembly, name)?.value),
    process.listenerCount('exit'),
    getModuleCacheDir(),
    existsSync(folder),
  ];

  holds('names the option that is wrong, and leaves everything as it was', [casesOf(options)], (given) => {
    const before = surface();
    const { status, message = '' } = enableModuleCache(given.options);
    assert.equal(status, 'FAILED');
    assert.match(message, says(options, given));
    assert.deepEqual(surface(), before);
  });

  holds('takes anything for options without throwing', [junk], (given) => {
    process.env.WASM_CACHE_DISABLE = '1';
    try {
      const { status, message } = enableModuleCache(given as object);
      assert.ok(status === 'DISABLED' || (status === 'FAILED' && message), status);
    } finally {
      delete process.env.WASM_CACHE_DISABLE;
    }
  });
});

/** Checks that it throws or rejects with a TypeError that says what is wrong. */
async function refuses(attempt: () => unknown, message: RegExp): Promise<void> {
  await assert.rejects(async () => attempt(), { name: 'TypeError', message });
}

describe('FileSystemCache', () => {
  const options = {
    wireBytes: oneOf('include', 'omit'),
    maxSize: number(1),
    maxFiles: number(1),
    maxArtifactSize: number(1),
    secret,
  };

  holds('names the option that is wrong', [casesOf(options)], async (given) => {
    await refuses(() => new FileSystemCache(folder, given.options), says(options, given));
    assert.equal(existsSync(folder), false);
  });

  holds('wants a path', [junk.filter((value) => !directory.isRight(value))], (given) =>
    refuses(() => new FileSystemCache(given as string), /directory/),
  );

  holds('takes no options, or says that they are none', [noOptions], async (given) => {
    if (given === null)
      await refuses(() => new FileSystemCache(folder, given as never), /\bnull\b/); // in the words of V8
    else new FileSystemCache(folder, given as object);
  });
});

describe('loadModule and loadModuleSync', () => {
  const wireBytes = sumModule();
  const cache = new ThreadLocalCache();
  const engine = new FakeEngine();
  const both: Record<string, Option> = {
    cache: { isRight: () => false, right: [cache] },
    engine: { isRight: () => false, right: [engine] },
    onProgress: { isRight: (value) => typeof value === 'function', right: [() => {}] },
    rememberFailuresFor: number(0, 300_000),
  };
  const options: Record<string, Option> = {
    ...both,
    signal: { isRight: () => false, right: [new AbortController().signal] },
    waitAtMost: number(0, 300_000),
    coverage: { isRight: () => false, right: [undefined] },
  };
  const complete = ({ options: given, wrong }: Case) =>
    ({ ...given, ...(wrong !== 'cache' && { cache }), ...(wrong !== 'engine' && { engine }) }) as never;

  holds('name the option that is wrong', [casesOf(options), casesOf(both)], async (given, givenToSync) => {
    await refuses(() => loadModule(wireBytes, complete(given)), says(options, given));
    await refuses(() => loadModuleSync(wireBytes, complete(givenToSync)), says(options, givenToSync));
  });

  holds('want options', [noOptions], async (given) => {
    await refuses(() => loadModule(wireBytes, given as never), /cache/);
    await refuses(() => loadModuleSync(wireBytes, given as never), /cache/);
  });

  const isBytes = (value: unknown) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
  holds('want wire bytes', [junk.filter((value) => !isBytes(value))], async (given) => {
    await refuses(() => loadModule(given as never, { cache, engine }), /Wire bytes/);
    await refuses(() => loadModuleSync(given as never, { cache, engine }), /Wire bytes/);
  });

  const durations = fc.constantFrom(...(number(0, 300_000).right as number[]));
  holds('take what is right', [durations, durations], async (rememberFailuresFor, waitAtMost) => {
    const given: LoadModuleOptions = { cache: new ThreadLocalCache(), engine, rememberFailuresFor, waitAtMost };
    assert.equal((await loadModule(wireBytes, given)).source, 'compiler');
    await assert.rejects(loadModule(wireBytes.subarray(1), given), WebAssembly.CompileError);
  });
});

describe('verifyCache', () => {
  const options = { secret, dryRun: oneOf(true, false) };

  holds('names the option that is wrong', [casesOf(options)], async (given) => {
    await refuses(() => verifyCache(folder, given.options as object), says(options, given));
    assert.equal(existsSync(folder), false);
  });

  holds('wants a path', [junk.filter((value) => !directory.isRight(value))], (given) =>
    refuses(() => verifyCache(given as string), /directory/),
  );

  holds('takes no options, or says that they are none', [noOptions], async (given) => {
    if (given === null)
      await refuses(() => verifyCache(folder, given as never), /\bnull\b/); // in the words of V8
    else assert.deepEqual((await verifyCache(folder, given as object)).files, []);
  });
});
