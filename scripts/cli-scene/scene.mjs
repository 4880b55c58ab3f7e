import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Terminal } from './terminal.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** As it is called in the document. */
const STORE = 'cache.internal:6379';

/** A home folder, a program with what it needs installed, and a Redis server: what the screens of the document are of. */
export class Scene {
  #folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'wasm-cache-docs-')));
  #processes = [];
  #redisPort;
  #serverPort;
  #terminal;

  static async open(workloads) {
    const scene = new Scene();
    try {
      await scene.#build(workloads);
    } catch (error) {
      scene.close();
      throw error;
    }
    return scene;
  }

  async #build(workloads) {
    const app = this.#path('app');
    const modules = path.join(app, 'node_modules');
    fs.mkdirSync(this.#path('home/me'), { recursive: true });
    fs.cpSync(new URL('app', import.meta.url), app, { recursive: true });
    for (const name of ['sql.js', '@swc/wasm', '@redis/client']) install(name, modules);
    for (const part of ['package.json', 'dist', 'prebuilds'])
      fs.cpSync(path.join(root, part), path.join(modules, 'wasm-module-cache', part), { recursive: true });
    const { dependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) install(name, modules);
    fs.mkdirSync(path.join(modules, '.bin'));
    fs.symlinkSync('../wasm-module-cache/dist/cli/main.js', path.join(modules, '.bin/wasm-cache'));
    if (workloads !== undefined) {
      fs.mkdirSync(this.#path('workloads'));
      fs.symlinkSync(path.resolve(workloads, 'node_modules'), this.#path('workloads/node_modules'));
    }
    [this.#redisPort, this.#serverPort] = [await freePort(), await freePort()];
    const options = ['--port', String(this.#redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder];
    this.#processes.push(spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', ...options], { stdio: 'ignore' }));
  }

  /** A terminal in the program's folder, with an empty cache. */
  async openTerminal() {
    fs.rmSync(this.#path('home/me/.cache'), { recursive: true, force: true });
    this.#terminal?.close();
    this.#terminal = await Terminal.open({ cwd: this.#path('app'), env: this.#environment, folder: this.#folder });
    return this.#terminal;
  }

  get appFolder() {
    return this.#path('app');
  }

  /** Where server.js listens. */
  get serverUrl() {
    return `http://127.0.0.1:${this.#serverPort}/`;
  }

  /** A line of the document as it has to be typed here. */
  toType(line) {
    return line.replaceAll(STORE, `127.0.0.1:${this.#redisPort}`);
  }

  /** A screen without what only this machine has. */
  toShow(screen) {
    return screen.replaceAll(this.#folder, '').replaceAll(`127.0.0.1:${this.#redisPort}`, STORE);
  }

  close() {
    this.#terminal?.close();
    for (const each of this.#processes) each.kill('SIGKILL');
    fs.rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  get #environment() {
    const bin = path.join('node_modules', '.bin');
    const folders = [
      this.#path('app', bin),
      this.#path('workloads', bin),
      path.dirname(process.execPath),
      '/usr/bin',
      '/bin',
    ];
    const env = {
      PATH: folders.join(path.delimiter),
      HOME: this.#path('home/me'),
      LANG: 'C.UTF-8',
      SHELL: '/bin/bash',
    };
    return { ...env, PORT: String(this.#serverPort) };
  }

  #path(...parts) {
    return path.join(this.#folder, ...parts);
  }
}

/** A package of this repository, and those that it needs. */
function install(name, modules) {
  const [from, to] = [path.join(root, 'node_modules', name), path.join(modules, name)];
  if (fs.existsSync(to)) return;
  fs.cpSync(from, to, { recursive: true });
  const { dependencies = {} } = JSON.parse(fs.readFileSync(path.join(from, 'package.json'), 'utf8'));
  for (const each of Object.keys(dependencies))
    if (fs.existsSync(path.join(root, 'node_modules', each))) install(each, modules);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
