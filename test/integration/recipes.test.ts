// Runs the recipes of docs/fleet.md exactly as they are written there. A folder replaces the container.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { snapshot, until } from '../support/learning.js';
import { filesIn, HANGS_AFTER, root, temporaryDirectory } from '../support/processes.js';
import { redisMissing } from '../support/redis-server.js';
import { freePort } from '../support/servers.js';

const OUTPUT = /^[0-9a-f]{64}$/gm;
const recipes = new Map(
  readFileSync(path.join(root, 'docs', 'fleet.md'), 'utf8')
    .split(/^##+ /m)
    .map((section) => {
      const [title = ''] = section.split('\n');
      return [title, [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, script = '']) => script)];
    }),
);

/** Makes it read-only with `mount -o ro`, for this process and its children. Only root may do that. */
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

interface Result {
  outputs: string[];
  /** The debug lines of the hook. */
  log: string;
}

/** A simulated machine: a folder with only the program and its packages. */
function machine(): string {
  const app = path.join(temporaryDirectory(), 'app');
  mkdirSync(path.join(app, 'node_modules'), { recursive: true });
  symlinkSync(root, path.join(app, 'node_modules', 'wasm-module-cache'));
  symlinkSync(path.join(root, 'node_modules', 'sql.js'), path.join(app, 'node_modules', 'sql.js'));
  cpSync(path.join(root, 'bench', 'programs', 'sql.js.mjs'), path.join(app, 'app.js'));
  writeFileSync(path.join(app, 'package.json'), '{"type":"module"}');
  writeFileSync(path.join(app, 'package-lock.json'), '{}');
  return app;
}

/** Runs a script of the page. */
function follow(
  recipe: string,
  block: number,
  app: string,
  env: Record<string, string> = {},
  readOnly = false,
): Result {
  const script = recipes.get(recipe)?.[block];
  assert.ok(script, `docs/fleet.md has a recipe "${recipe}" with ${block + 1} scripts`);
  const file = path.join(temporaryDirectory(), 'recipe.sh');
  writeFileSync(file, script);
  const mount = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && ! touch x 2>&- && exec sh -eu "$0"';
  const command = readOnly ? ['unshare', '-m', 'sh', '-c', mount, file] : ['sh', '-eu', file];
  const inherited = Object.entries(process.env).filter(([key]) => !/^(NODE_|WASM_CACHE_|CI$)/.test(key));
  const { status, stdout, stderr } = spawnSync(command[0] as string, command.slice(1), {
    cwd: app,
    env: {
      ...Object.fromEntries(inherited),
      PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
      // Three tests share two cores. They show that it works, not how fast.
      WASM_CACHE_REMOTE_TIMEOUT: '30s',
      NODE_DEBUG: 'wasm-cache',
      SECRET: 'the-secret-of-this-recipe',
      ...env,
    },
    encoding: 'utf8',
    timeout: HANGS_AFTER,
  });
  assert.equal(status, 0, stderr);
  const outputs = stdout.match(OUTPUT) ?? [];
  assert.equal(new Set(outputs).size, 1, stdout);
  return { outputs, log: stderr };
}

describe('recipe of docs/fleet.md:', () => {
  it('image with baked artifacts', () => {
    const recipe = 'Image with baked artifacts';
    const app = machine();
    const built = follow(recipe, 0, app);
    assert.equal(built.outputs.length, 3);
    const before = snapshot(path.join(app, 'wasm-cache'));
    const { outputs, log } = follow(recipe, 1, app, {}, canMount);
    assert.match(log, /: hit [0-9a-f]{64}: \d+ bytes/);
    assert.deepEqual(outputs, built.outputs.slice(0, 1));
    assert.deepEqual(snapshot(path.join(app, 'wasm-cache')), before);
  });

  it('read-only file system, as of a function', async () => {
    const store = path.join(temporaryDirectory(), 'store');
    const filled = { WASM_CACHE_REMOTE: `file://${store}`, WASM_CACHE_SECRET: 'the-secret-of-this-recipe' };
    const canary = machine();
    follow('Image with baked artifacts', 0, canary, filled);
    // Nobody waits for the push.
    await until('the store has the list', () => filesIn(store).some((file) => file.endsWith('.json')));
    rmSync(canary, { recursive: true });
    const env = { STORE: `file://${store}`, TMPDIR: temporaryDirectory() };
    const { log } = follow('Read-only file system, as of a function', 0, machine(), env, canMount);
    assert.match(log, /: hit [0-9a-f]{64}: \d+ bytes/);
  });

  it('CI cache folder', () => {
    const recipe = 'CI cache folder';
    const env = { CI_CACHE: path.join(temporaryDirectory(), 'ci') };
    const first = follow(recipe, 0, machine(), env);
    assert.doesNotMatch(first.log, /: hit/);
    const second = follow(recipe, 0, machine(), env);
    assert.match(second.log, /: hit [0-9a-f]{64}: \d+ bytes/);
    assert.deepEqual(second.outputs, first.outputs);
    assert.equal(readdirSync(env.CI_CACHE).length, 1);
  });

  it('Redis for a pool of workers', { skip: redisMissing() }, async () => {
    const { outputs, log } = follow('Redis for a pool of workers', 0, machine(), { PORT: `${await freePort()}` });
    assert.equal(outputs.length, 2);
    assert.match(log, /: hit [0-9a-f]{64}: \d+ bytes/);
  });
});
