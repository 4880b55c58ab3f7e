// For a new variable: a row in VARIABLES. For a new kind of text: a `describe` beside that of sizes, and an arbitrary of good and
// of bad texts for the rows that have such values.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe } from 'node:test';
import fc from 'fast-check';
import { parseDuration, parseSize, parseToggle } from '../../dist/settings/kinds.js';
import { readSettings, type Settings } from '../../dist/settings/read-settings.js';
import { parseRemoteUrl, withoutSecrets } from '../../dist/stores/remote-url.js';
import { arbitraryText, holds } from '../support/fuzz.js';

const UNITS: Record<string, number> = {
  ...{ '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, KB: 1e3, MB: 1e6, GB: 1e9 },
};
const units = fc.constantFrom(...Object.keys(UNITS));
const spaces = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\u00a0'), maxLength: 3 });
const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 20 });

/** The size that the text means, computed without floating point; `undefined` if it is no size. */
function sizeOf(text: string): number | undefined {
  const [, whole = '', fraction = '', unit] = /^\s*([0-9]+)(?:\.([0-9]+))?\s*(|B|[KMG]I?B)\s*$/.exec(upper(text)) ?? [];
  if (unit === undefined) return undefined;
  const [, factor = 0] = Object.entries(UNITS).find(([name]) => upper(name) === unit) ?? [];
  const scale = 10n ** BigInt(fraction.length);
  const halves = (2n * BigInt(whole + fraction) * BigInt(factor)) / scale;
  const size = (halves + 1n) / 2n;
  return size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : undefined;
}

/** Text of the letters of units, and of letters whose lower or upper case is one of them. */
function upper(text: string): string {
  return text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
}

const sizes = fc
  .tuple(spaces, digits, fc.option(digits, { nil: undefined }), spaces, units, fc.boolean(), spaces)
  .map(([before, whole, fraction, between, unit, isLower, after]) => {
    const number = fraction === undefined ? whole : `${whole}.${fraction}`;
    return before + number + between + (isLower ? unit.toLowerCase() : unit) + after;
  });
const almostSizes = fc
  .tuple(sizes, fc.nat(30), fc.constantFrom('', '-', '+', '.', ',', 'e', 'x', ' ', 'K', '٣', 'ſ', '\0'))
  .map(([text, at, more]) => text.slice(0, at) + more + text.slice(at + 1));
const LARGE = [
  '9'.repeat(400),
  `${'9'.repeat(400)}GiB`,
  '9007199254740991',
  '9007199254740992',
  '8796093022208GiB',
  '1e400',
];
const sizeTexts = fc.oneof(sizes, almostSizes, arbitraryText, fc.constantFrom(...LARGE, '0', '0.4', '0.5'));

describe('parseSize', () => {
  holds('reads what was written, in every unit', [fc.maxSafeNat(), fc.nat(1000)], (large, small) => {
    for (const [unit, factor] of Object.entries(UNITS)) {
      for (const number of [large, small]) {
        const size = number * factor;
        const expected = Number.isSafeInteger(size) ? size : undefined;
        for (const text of [`${number}${unit}`, ` ${number} ${unit.toLowerCase()} `, `${number}.000${unit}`]) {
          assert.equal(parseSize(text), expected, text);
        }
      }
    }
  });

  holds(
    'gives a whole number of bytes below 2^53, or nothing',
    [sizeTexts],
    (text) => {
      const [size, expected] = [parseSize(text), sizeOf(text)];
      if (size === undefined || expected === undefined) {
        // Near the limit one rounds up and the other does not.
        if (Math.max(size ?? 0, expected ?? 0) < Number.MAX_SAFE_INTEGER - 2) assert.equal(size, expected);
        return;
      }
      assert.ok(Number.isSafeInteger(size) && size >= 0, `${size}`);
      assert.ok(Math.abs(size - expected) <= 1, `${size} for ${expected}`);
    },
    { examples: LARGE.map((text) => [text]) },
  );
});

describe('parseDuration', () => {
  const DURATIONS = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  holds('reads what was written, in every unit', [fc.maxSafeNat(), fc.nat(1000)], (large, small) => {
    for (const [unit, factor] of Object.entries(DURATIONS)) {
      for (const number of [large, small]) {
        const expected = Number.isSafeInteger(number * factor) ? number * factor : undefined;
        for (const text of [`${number}${unit}`, ` ${number} ${unit.toUpperCase()} `, `${number}.000${unit}`]) {
          assert.equal(parseDuration(text), expected, text);
        }
      }
    }
  });

  holds('gives a whole number of milliseconds that can be counted, or nothing', [sizeTexts], (text) => {
    const duration = parseDuration(text);
    assert.ok(duration === undefined || (Number.isSafeInteger(duration) && duration >= 0), String(duration));
  });
});

describe('parseRemoteUrl', () => {
  const schemes = fc.constantFrom('redis', 'rediss', 's3', 'http', 'https', 'file', 'memcached', 'javascript', '');
  const words = fc.string({ unit: fc.constantFrom(...'abc019.-_~%:[]\u00e9 '), maxLength: 12 });
  const anything = fc.string({ unit: fc.constantFrom(...'a0.%:/?#[]@ \\\n'), maxLength: 12 });
  const addresses = fc
    .tuple(
      schemes,
      fc.constantFrom('://', ':', '//', ''),
      words,
      fc.constantFrom('', ':6379', ':port', '/0', '/a/b?c#d'),
    )
    .map((parts) => parts.join(''));

  holds('gives a kind for what begins as one, or a TypeError', [fc.oneof(addresses, arbitraryText)], (text) => {
    try {
      const { kind, url } = parseRemoteUrl(text);
      assert.ok(['redis', 's3', 'http', 'folder'].includes(kind));
      assert.equal(url, text);
    } catch (error) {
      assert.ok(error instanceof TypeError && error.message.length > 10, String(error));
      assert.ok(!('input' in error) && error.cause === undefined);
    }
  });

  // Letters that appear nowhere else.
  holds(
    'never shows a password, escaped or not',
    [schemes, anything, anything, addresses],
    (scheme, before, after, host) => {
      const text = `${scheme}://user:${before}PASSWORD${after}@${host}`;
      assert.ok(!withoutSecrets(text).includes('PASSWORD'));
      try {
        parseRemoteUrl(text);
      } catch (error) {
        assert.ok(!(error as Error).message.includes('PASSWORD'), String(error));
      }
      const env = { WASM_CACHE_REMOTE: text };
      assert.ok(!read(env).warnings.join().includes('PASSWORD'));
    },
    { examples: [['s3', '?', '', 'redis://']] },
  );
});

interface Variable {
  name: string;
  field: 'mode' | 'minModuleSize' | 'maxSize' | 'learn' | 'statistics';
  texts: fc.Arbitrary<string>;
  /** The value of a valid text, `undefined` for an invalid one. An empty text counts as missing. */
  read(text: string): unknown;
  default: Settings['mode' | 'learn' | 'statistics'] | number | undefined;
}

const oneOf = (...words: string[]) => ({
  texts: fc.oneof(fc.constantFrom(...words, ...words.map(upper), ...words.map((word) => ` ${word}`)), arbitraryText),
  read: (text: string) => (words.includes(text) ? text : undefined),
});

const VARIABLES: Variable[] = [
  { name: 'WASM_CACHE_MODE', field: 'mode', ...oneOf('read-write', 'read-only', 'off'), default: 'read-write' },
  { name: 'WASM_CACHE_LEARN', field: 'learn', ...oneOf('hot', 'full', 'off'), default: 'hot' },
  {
    name: 'WASM_CACHE_STATISTICS',
    field: 'statistics',
    texts: oneOf('on', 'off', 'true', 'false', 'yes', 'no', '1', '0').texts,
    read: (text) => {
      const word = text.trim().toLowerCase();
      if (['on', 'true', 'yes', '1'].includes(word)) return true;
      return ['off', 'false', 'no', '0'].includes(word) ? false : undefined;
    },
    default: true,
  },
  { name: 'WASM_CACHE_MIN_MODULE_SIZE', field: 'minModuleSize', texts: sizeTexts, read: sizeOf, default: 65_536 },
  {
    name: 'WASM_CACHE_MAX_SIZE',
    field: 'maxSize',
    texts: sizeTexts,
    read: (text) => sizeOf(text) || undefined,
    default: undefined,
  },
];

function read(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = 'linux', home = '/home/somebody'): Settings {
  const readFile = () => {
    throw new Error('no such file');
  };
  return readSettings({ env, platform, homeFolder: () => home, readFile });
}

describe('readSettings', () => {
  for (const { name, field, texts, read: meaning, default: preset } of VARIABLES) {
    holds(`takes ${name}, or warns once and takes the default`, [texts], (text) => {
      const settings = read({ [name]: text });
      const value = text === '' ? undefined : meaning(text);
      const isGood = text === '' || value !== undefined || (field === 'learn' && text === 'auto');
      const actual = settings[field];
      if (typeof actual === 'number' && typeof value === 'number') assert.ok(Math.abs(actual - value) <= 1);
      else if (isGood) assert.equal(actual, value ?? preset);
      else assert.equal(actual, preset);
      assert.equal(settings.warnings.length, isGood ? 0 : 1);
      if (!isGood) assert.ok(settings.warnings[0]?.startsWith(`${name}=${text} is not `), String(settings.warnings));
      const { [field]: _, warnings: __, ...others } = settings;
      const { [field]: ___, warnings: ____, ...defaults } = read({});
      assert.deepEqual(others, defaults);
    });
  }

  const others = ['WASM_CACHE_DISABLE', 'WASM_CACHE_DIR', 'WASM_CACHE_SECRET', 'WASM_CACHE_SECRET_FILE', 'CI'];
  const remote = [
    'WASM_CACHE_REMOTE',
    'WASM_CACHE_REMOTE_TIMEOUT',
    'WASM_CACHE_REMOTE_MODE',
    'WASM_CACHE_ALLOW_UNSIGNED',
  ];
  const environments = fc.record(
    Object.fromEntries([
      ...VARIABLES.map(({ name, texts }) => [name, texts]),
      ...[...others, ...remote, 'XDG_CACHE_HOME', 'LOCALAPPDATA'].map((name) => [name, arbitraryText]),
    ]) as Record<string, fc.Arbitrary<string>>,
    { requiredKeys: [] },
  );
  const platforms = fc.constantFrom<NodeJS.Platform>('linux', 'darwin', 'win32', 'freebsd');
  const homes = fc.oneof(fc.constant('/home/somebody'), arbitraryText);
  holds('never throws, and warns of each wrong value once', [environments, platforms, homes], (env, platform, home) => {
    const { warnings, mode, directory, minModuleSize, maxSize, learn, secrets } = read(env, platform, home);
    for (const { name, field, read: meaning } of VARIABLES) {
      const text = env[name];
      const isGood = !text || meaning(text) !== undefined || (field === 'learn' && text === 'auto');
      const about = warnings.filter((warning) => warning.startsWith(`${name}=${text} is not `));
      assert.equal(about.length, isGood ? 0 : 1, name);
    }
    assert.ok(['read-write', 'read-only', 'off'].includes(mode) && ['hot', 'full', 'off'].includes(learn));
    assert.ok(directory === undefined || path.isAbsolute(directory));
    for (const size of [minModuleSize, maxSize ?? 1]) assert.ok(Number.isSafeInteger(size) && size >= 0);
    assert.ok(maxSize === undefined || maxSize > 0);
    if (env.WASM_CACHE_DISABLE && parseToggle(env.WASM_CACHE_DISABLE) !== false) assert.equal(mode, 'off');
    // If somebody wants signatures, the cache never works without them.
    const wantsSecret = env.WASM_CACHE_SECRET !== undefined || env.WASM_CACHE_SECRET_FILE !== undefined;
    if (!wantsSecret) assert.equal(secrets, undefined);
    else if (!secrets)
      assert.ok(mode === 'off' && warnings.some((warning) => /WASM_CACHE_SECRET.* not cached\.$/s.test(warning)));
    assert.equal(
      warnings.filter((warning) => warning.endsWith('Modules are not cached.')).length,
      wantsSecret && !secrets ? 1 : 0,
    );
  });
});
