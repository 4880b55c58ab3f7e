import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readSettings, type Settings, type SettingsOptions } from '../../dist/settings/read-settings.js';

const home = path.resolve('/home/somebody');

const SECRET = 'a-secret-of-many-letters';
const OTHER = 'another-secret-of-them';

function read(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = 'linux',
  homeFolder = () => home,
  options?: SettingsOptions,
): Settings {
  const readFile = (file: string) => {
    if (file === '/the/file') return ` ${SECRET}\n${OTHER}\n`;
    throw new Error(`no such file: ${file}`);
  };
  return readSettings({ env, platform, homeFolder, readFile }, options);
}

describe('readSettings', () => {
  it('has defaults for everything', () => {
    assert.deepEqual(read({}), {
      mode: 'read-write',
      preload: true,
      directory: path.join(home, '.cache', 'wasm-module-cache'),
      minModuleSize: 65536,
      learn: 'hot',
      secrets: undefined,
      maxSize: undefined,
      remote: undefined,
      allowUnsigned: false,
      statistics: true,
      js: false,
      runFile: undefined,
      secretProblem: undefined,
      warnings: [],
    });
  });

  it('treats an empty value as missing', () => {
    const names = ['DIR', 'MODE', 'DISABLE', 'MIN_MODULE_SIZE'].map((name) => `WASM_CACHE_${name}`);
    const env = Object.fromEntries([...names, 'XDG_CACHE_HOME', 'LOCALAPPDATA'].map((name) => [name, '']));
    for (const platform of ['linux', 'darwin', 'win32'] as const) {
      assert.deepEqual(read(env, platform), read({}, platform));
    }
  });

  const modes: [env: NodeJS.ProcessEnv, mode: Settings['mode'], warned?: RegExp][] = [
    [{ WASM_CACHE_MODE: 'read-write' }, 'read-write'],
    [{ WASM_CACHE_MODE: 'read-only' }, 'read-only'],
    [{ WASM_CACHE_MODE: 'off' }, 'off'],
    [{ WASM_CACHE_MODE: 'OFF' }, 'read-write', /WASM_CACHE_MODE=OFF .*read-write, read-only, off.*read-write is used/],
    [{ WASM_CACHE_MODE: 'readonly' }, 'read-write', /WASM_CACHE_MODE=readonly /],
    [{ WASM_CACHE_MODE: 'constructor' }, 'read-write', /WASM_CACHE_MODE=constructor /],
    [{ WASM_CACHE_DISABLE: '1' }, 'off'],
    [{ WASM_CACHE_DISABLE: 'true' }, 'off'],
    [{ WASM_CACHE_DISABLE: '0' }, 'read-write'],
    [{ WASM_CACHE_DISABLE: 'No' }, 'read-write'],
    // Somebody who sets a kill switch wants it to work.
    [{ WASM_CACHE_DISABLE: 'please' }, 'off', /^WASM_CACHE_DISABLE=please is not true or false.*; true is used\.$/],
    [{ WASM_CACHE_DISABLE: '1', WASM_CACHE_MODE: 'read-only' }, 'off'],
    [{ WASM_CACHE_DISABLE: '0', WASM_CACHE_MODE: 'off' }, 'off'],
    [{ WASM_CACHE_DISABLE: '1', WASM_CACHE_MODE: 'wrong' }, 'off', /WASM_CACHE_MODE=wrong /],
  ];
  for (const [env, mode, warned] of modes) {
    it(`reads ${JSON.stringify(env)} as mode ${mode}${warned ? ' with a warning' : ''}`, () => {
      const settings = read(env);
      assert.equal(settings.mode, mode);
      assert.equal(settings.warnings.length, warned ? 1 : 0);
      if (warned) assert.match(settings.warnings.join(), warned);
    });
  }

  const directories: [platform: NodeJS.Platform, env: NodeJS.ProcessEnv, directory: string[]][] = [
    ['linux', {}, [home, '.cache', 'wasm-module-cache']],
    ['linux', { XDG_CACHE_HOME: path.resolve('/xdg') }, [path.resolve('/xdg'), 'wasm-module-cache']],
    ['linux', { LOCALAPPDATA: path.resolve('/local') }, [home, '.cache', 'wasm-module-cache']],
    ['freebsd', {}, [home, '.cache', 'wasm-module-cache']],
    ['darwin', {}, [home, 'Library', 'Caches', 'wasm-module-cache']],
    ['darwin', { XDG_CACHE_HOME: path.resolve('/xdg') }, [home, 'Library', 'Caches', 'wasm-module-cache']],
    ['win32', {}, [home, 'AppData', 'Local', 'wasm-module-cache', 'Cache']],
    ['win32', { LOCALAPPDATA: path.resolve('/local') }, [path.resolve('/local'), 'wasm-module-cache', 'Cache']],
    ['linux', { WASM_CACHE_DIR: path.resolve('/own'), XDG_CACHE_HOME: path.resolve('/xdg') }, [path.resolve('/own')]],
    ['darwin', { WASM_CACHE_DIR: path.resolve('/own') }, [path.resolve('/own')]],
    ['win32', { WASM_CACHE_DIR: path.resolve('/own'), LOCALAPPDATA: path.resolve('/local') }, [path.resolve('/own')]],
    ['linux', { WASM_CACHE_DIR: 'below/here/../there' }, [process.cwd(), 'below', 'there']],
  ];
  for (const [platform, env, directory] of directories) {
    it(`puts the folder into ${path.join(...directory)} on ${platform} with ${JSON.stringify(env)}`, () => {
      assert.equal(read(env, platform).directory, path.join(...directory));
    });
  }

  it('does not ask for the home folder if a directory is set', () => {
    const unasked = () => assert.fail('asked');
    assert.equal(read({ WASM_CACHE_DIR: home }, 'linux', unasked).directory, home);
  });

  it('does not throw if there is no home folder', () => {
    assert.doesNotThrow(() =>
      read({}, 'linux', () => {
        throw new Error('ENOENT: no such file or directory, uv_os_homedir');
      }),
    );
  });

  // The working folder may be a downloaded one, whose machine code must not be loaded.
  const homeless: [platform: NodeJS.Platform, env: NodeJS.ProcessEnv][] = [
    ['linux', {}],
    ['darwin', {}],
    ['win32', {}],
    ['linux', { XDG_CACHE_HOME: 'relative' }],
  ];
  for (const [platform, env] of homeless) {
    it(`does not choose the working folder by itself on ${platform} with ${JSON.stringify(env)} and no home`, () => {
      assert.equal(read(env, platform, () => '').directory, undefined);
    });
  }

  it('reads the smallest module size', () => {
    assert.equal(read({ WASM_CACHE_MIN_MODULE_SIZE: '1MiB' }).minModuleSize, 2 ** 20);
    assert.equal(read({ WASM_CACHE_MIN_MODULE_SIZE: '0' }).minModuleSize, 0);
  });

  for (const wrong of ['large', '-1', '1 MB 5', '64 kilo', 'NaN']) {
    it(`warns about the size ${wrong} and takes the default`, () => {
      const { minModuleSize, warnings } = read({ WASM_CACHE_MIN_MODULE_SIZE: wrong });
      assert.equal(minModuleSize, 65536);
      assert.equal(warnings.length, 1);
      assert.ok(warnings[0]?.startsWith(`WASM_CACHE_MIN_MODULE_SIZE=${wrong} is not a size`));
      assert.match(warnings.join(), /64KiB is used/);
    });
  }

  for (const [text, statistics, isGood] of [
    ['', true, true],
    ['on', true, true],
    ['OFF', false, true],
    ['0', false, true],
    ['none', true, false],
  ] as const) {
    it(`keeps ${statistics ? '' : 'no '}statistics with WASM_CACHE_STATISTICS=${text}`, () => {
      const settings = read({ WASM_CACHE_STATISTICS: text });
      assert.equal(settings.statistics, statistics);
      const warning = `WASM_CACHE_STATISTICS=${text} is not true or false (or 1, 0, yes, no, on, off); true is used.`;
      assert.deepEqual(settings.warnings, isGood ? [] : [warning]);
    });
  }

  it('takes only an absolute path as the file of a run', () => {
    const file = path.resolve('/tmp/run');
    assert.equal(read({ WASM_CACHE_RUN: file }).runFile, file);
    for (const wrong of ['', 'run']) assert.equal(read({ WASM_CACHE_RUN: wrong }).runFile, undefined);
  });

  it('warns about each wrong value', () => {
    assert.equal(read({ WASM_CACHE_MODE: 'x', WASM_CACHE_MIN_MODULE_SIZE: 'y' }).warnings.length, 2);
  });
});

describe('WASM_CACHE_REMOTE', () => {
  const url = 'redis://user:PASSWORD@cache.internal:6379/1';
  const signed = { WASM_CACHE_REMOTE: url, WASM_CACHE_SECRET: SECRET };

  it('is the address of a store, with a secret', () => {
    const { remote, warnings } = read(signed);
    assert.deepEqual([remote, warnings], [{ url, timeout: 250, allowUnsigned: false, mode: 'read-write' }, []]);
  });

  it('or with the permission of the user', () => {
    const { remote, warnings } = read({ WASM_CACHE_REMOTE: url, WASM_CACHE_ALLOW_UNSIGNED: '1' });
    assert.deepEqual([remote, warnings], [{ url, timeout: 250, allowUnsigned: true, mode: 'read-write' }, []]);
  });

  for (const [what, env, warning] of [
    ['without either', {}, /^WASM_CACHE_REMOTE=redis:\/\/cache.internal:6379\/1 is not used.*WASM_CACHE_SECRET, or/],
    ['with the word "0"', { WASM_CACHE_ALLOW_UNSIGNED: '0' }, /is not used/],
    ['with the word "false"', { WASM_CACHE_ALLOW_UNSIGNED: 'false' }, /is not used/],
    [
      'that is wrong',
      { ...signed, WASM_CACHE_REMOTE: 'redis://user:PASSWORD@h:port' },
      /^WASM_CACHE_REMOTE: .*no store/,
    ],
  ] as [string, NodeJS.ProcessEnv, RegExp][]) {
    it(`is not used ${what}, with a warning that shows no password`, () => {
      const { remote, warnings, mode } = read({ WASM_CACHE_REMOTE: url, ...env });
      assert.deepEqual([remote, warnings.length, mode], [undefined, 1, 'read-write']);
      assert.match(String(warnings), warning);
      assert.ok(!String(warnings).includes('PASSWORD'));
    });
  }

  for (const [text, timeout, isGood] of [
    ['1s', 1000, true],
    ['100', 100, true],
    ['60s', 60_000, true],
    ['0', 250, false],
    ['61s', 250, false],
    ['soon', 250, false],
  ] as const) {
    it(`waits ${timeout} ms with WASM_CACHE_REMOTE_TIMEOUT=${text}`, () => {
      const { remote, warnings } = read({ ...signed, WASM_CACHE_REMOTE_TIMEOUT: text });
      assert.deepEqual([remote?.timeout, warnings.length], [timeout, isGood ? 0 : 1]);
    });
  }
});

describe('WASM_CACHE_REMOTE_MODE', () => {
  for (const [text, mode, isGood] of [
    ['', 'read-write', true],
    ['read-only', 'read-only', true],
    ['write-only', 'write-only', true],
    ['off', 'read-write', false],
  ] as const) {
    it(`${JSON.stringify(text)} is ${mode}`, () => {
      const env = { WASM_CACHE_REMOTE: 'redis://h', WASM_CACHE_SECRET: SECRET, WASM_CACHE_REMOTE_MODE: text };
      const { remote, warnings } = read(env);
      assert.deepEqual([remote?.mode, warnings.length], [mode, isGood ? 0 : 1]);
      if (!isGood)
        assert.match(
          String(warnings),
          /^WASM_CACHE_REMOTE_MODE=off is not one of read-write, read-only, write-only; read-write is used/,
        );
    });
  }
});

describe('readSettings: WASM_CACHE_MAX_SIZE', () => {
  for (const [text, maxSize] of [
    ['50MiB', 50 * 2 ** 20],
    ['2GB', 2e9],
    ['1000', 1000],
  ] as const) {
    it(`takes ${text}`, () => {
      const settings = read({ WASM_CACHE_MAX_SIZE: text });
      assert.deepEqual([settings.maxSize, settings.warnings], [maxSize, []]);
    });
  }

  for (const text of ['0', 'much', '-1', '1TiB']) {
    it(`warns of ${text}`, () => {
      const { maxSize, warnings } = read({ WASM_CACHE_MAX_SIZE: text });
      assert.equal(maxSize, undefined);
      const range = 'a size such as 100000, 64KiB or 1MiB';
      assert.deepEqual(warnings, [`WASM_CACHE_MAX_SIZE=${text} is not ${range}; 1GiB is used.`]);
    });
  }
});

describe('readSettings: secrets', () => {
  const good: [env: NodeJS.ProcessEnv, secrets: string[]][] = [
    [{ WASM_CACHE_SECRET: SECRET }, [SECRET]],
    [{ WASM_CACHE_SECRET: `${OTHER}  ${SECRET}` }, [OTHER, SECRET]],
    [{ WASM_CACHE_SECRET_FILE: '/the/file' }, [SECRET, OTHER]],
  ];
  for (const [env, secrets] of good) {
    it(`takes ${JSON.stringify(env)}`, () => {
      const settings = read(env);
      assert.deepEqual([settings.secrets, settings.mode, settings.warnings], [secrets, 'read-write', []]);
    });
  }

  const bad: [env: NodeJS.ProcessEnv, warned: RegExp][] = [
    [{ WASM_CACHE_SECRET: 'short' }, /^WASM_CACHE_SECRET: .*at least 16 bytes, not 5. Modules are not cached.$/],
    [{ WASM_CACHE_SECRET: `${SECRET} short` }, /Secret 2 must have at least 16/],
    [{ WASM_CACHE_SECRET: ' ' }, /empty/],
    [{ WASM_CACHE_SECRET_FILE: '/no/file' }, /^WASM_CACHE_SECRET_FILE=\/no\/file: no such file/],
    [{ WASM_CACHE_SECRET: SECRET, WASM_CACHE_SECRET_FILE: '/the/file' }, /both set/],
  ];
  for (const [env, warned] of bad) {
    it(`is off, never without signatures, for ${JSON.stringify(env)}`, () => {
      const { mode, secrets, warnings } = read({ ...env, WASM_CACHE_MODE: 'read-write' });
      assert.deepEqual([mode, secrets, warnings.length], ['off', undefined, 1]);
      assert.match(String(warnings[0]), warned);
      assert.equal(String(warnings[0]).includes(SECRET), false);
    });
  }
});

describe('readSettings: options', () => {
  const withOptions = (env: NodeJS.ProcessEnv, options: SettingsOptions) => read(env, 'linux', () => home, options);

  it('go before the variables', () => {
    const env = { WASM_CACHE_DIR: '/variable', WASM_CACHE_LEARN: 'full', WASM_CACHE_MAX_SIZE: '1GiB' };
    const { directory, learn, maxSize } = withOptions(env, { directory: '/option', learn: 'off', maxSize: 1000 });
    assert.deepEqual([directory, learn, maxSize], [path.resolve('/option'), 'off', 1000]);
  });

  for (const env of [{ WASM_CACHE_DISABLE: 'yes' }, { WASM_CACHE_MODE: 'off' }]) {
    it(`do not turn on what ${JSON.stringify(env)} turned off`, () => {
      assert.equal(withOptions(env, { mode: 'read-write' }).mode, 'off');
    });
  }

  it('that are wrong are errors, with the name of the option', () => {
    assert.throws(
      () => withOptions({}, { mode: 'on' }),
      /option mode must be one of read-write, read-only, off, not 'on'/,
    );
    assert.throws(() => withOptions({}, { statistics: 'on' }), /option statistics must be true or false .*, not 'on'/);
    assert.throws(
      () => withOptions({}, { remote: 'redis://:PASSWORD@' }),
      /^TypeError: The option remote is wrong: (?!.*PASS)/,
    );
    assert.throws(() => withOptions({}, { remote: 'redis://host' }), /Give secret, or allowUnsigned: true/);
  });
});
