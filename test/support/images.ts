// Images without containers: follows a Dockerfile line by line in an empty folder.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { HANGS_AFTER, type RunResult, root, temporaryDirectory } from './processes.js';

export interface Image {
  /** Runs its command, with these variables added. */
  run(env: Record<string, string>): RunResult;
}

/**
 * Follows the Dockerfile of a folder: `/app` is an empty folder, and FROM means this machine with this Node. The package is not
 * published, so instead of `npm install` the packages are copied and linked.
 */
export function buildImage(context: string): Image {
  const folder = temporaryDirectory();
  chmodSync(folder, 0o755); // temporary folders are private to their owner
  const app = path.join(folder, 'app');
  mkdirSync(app);
  const env: Record<string, string> = {};
  let uid: number | undefined;
  let command: string[] = [];

  const instructions: Record<string, (rest: string) => void> = {
    FROM: (base) => assert.match(base, /^node:/),
    WORKDIR: (directory) => assert.equal(directory, '/app'),
    COPY: (words) => {
      const files = words.split(' ');
      assert.equal(files.pop(), './');
      for (const file of files) cpSync(path.join(context, file), path.join(app, file));
    },
    ENV: (words) => {
      const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(words) ?? [];
      env[name] = value.replace(/^\/app/, app);
    },
    RUN: (script) => {
      if (script === 'npm install --omit=dev') {
        install(app);
        return;
      }
      const { status, stdout, stderr } = run(['sh', '-c', script], app, env);
      assert.equal(status, 0, stdout + stderr);
    },
    USER: () => {
      if (process.geteuid?.() === 0) uid = 65534; // nobody; only root can change users
    },
    CMD: (words) => {
      command = JSON.parse(words);
    },
  };
  const lines = readFileSync(path.join(context, 'Dockerfile'), 'utf8').split('\n');
  for (const line of lines.filter((each) => each !== '' && !each.startsWith('#'))) {
    const [, name = '', rest = ''] = /^(\w+) (.*)$/.exec(line) ?? [];
    const follow = instructions[name];
    assert.ok(follow, `an instruction that this test knows, not "${line}"`);
    follow(rest);
  }
  return { run: (more) => run(command, app, { ...env, ...more }, uid) };
}

function install(app: string): void {
  const { dependencies } = JSON.parse(readFileSync(path.join(app, 'package.json'), 'utf8'));
  assert.deepEqual(Object.keys(dependencies), ['sql.js', 'wasm-module-cache']);
  const modules = path.join(app, 'node_modules');
  const own = path.join(modules, 'wasm-module-cache');
  for (const part of ['package.json', 'dist', 'prebuilds']) {
    cpSync(path.join(root, part), path.join(own, part), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(own, 'node_modules'));
  symlinkSync(path.join(root, 'node_modules', 'sql.js'), path.join(modules, 'sql.js'));
  mkdirSync(path.join(modules, '.bin'));
  symlinkSync('../wasm-module-cache/dist/cli/main.js', path.join(modules, '.bin', 'wasm-cache'));
}

function run([program = '', ...args]: string[], cwd: string, env: Record<string, string>, uid?: number): RunResult {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(NODE_|WASM_CACHE_|npm_|CI$)/.test(name));
  const PATH = `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`;
  const { status, signal, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), PATH, ...env },
    encoding: 'utf8',
    timeout: HANGS_AFTER,
    ...(uid === undefined ? {} : { uid }),
  });
  return { status, signal, stdout, stderr };
}
