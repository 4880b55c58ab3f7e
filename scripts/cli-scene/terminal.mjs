import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const COLUMNS = 120;
const ROWS = 50;
const PROMPT = '$ ';
/** Milliseconds that a command may take: V8 optimises all of some large packages. */
const PATIENCE = 15 * 60_000;

/** A shell on a terminal of tmux, which has a server of its own and ends with this process. */
export class Terminal {
  /** Where the shell writes each command's exit code, so that it is not on the screen. */
  #codeFile;
  /** tmux gives the shell the PATH of whoever asks for it. */
  #env;
  #server;

  /** @param folder - a private one, for what is written besides */
  static async open({ cwd, env, folder }) {
    const terminal = new Terminal(env, folder);
    await terminal.#start(cwd);
    return terminal;
  }

  constructor(env, folder) {
    this.#codeFile = path.join(folder, 'exit-code');
    // A shell of root does not take PS1 from its environment.
    this.#env = { ...env, PROMPT_COMMAND: `echo $? >${this.#codeFile}; PS1='${PROMPT}'`, TMUX_TMPDIR: folder };
  }

  async #start(cwd) {
    // With -D it is no daemon, and what it runs loses its terminal with it.
    const args = ['--pdeathsig', 'KILL', 'tmux', '-f', '/dev/null', '-D'];
    this.#server = spawn('setpriv', args, { cwd, env: this.#env, stdio: 'ignore' });
    await until(() => this.#isUp(), 'tmux does not start', 10_000);
    this.#tmux('set-option', '-g', 'history-limit', '10000');
    this.#tmux('set-option', '-g', 'default-terminal', 'screen-256color');
    const size = ['-x', String(COLUMNS), '-y', String(ROWS)];
    this.#tmux('new-session', '-d', ...size, '-c', cwd, 'exec bash --noprofile --norc');
    await this.#isBack();
  }

  /** Empties the screen, and what was scrolled out of it. */
  async clear() {
    await this.play('clear');
    this.#tmux('clear-history');
  }

  /**
   * Types a line, and waits for the prompt.
   *
   * @param meanwhile - is called when it was typed, with a signal that tells when the command has ended
   * @returns the exit code
   */
  async play(line, meanwhile = async () => {}) {
    rmSync(this.#codeFile);
    this.type(`${line}\n`);
    const hasEnded = new AbortController();
    const work = meanwhile(hasEnded.signal);
    await this.#isBack(line);
    hasEnded.abort();
    await work;
    return Number(readFileSync(this.#codeFile, 'utf8'));
  }

  type(text) {
    for (const [index, line] of text.split('\n').entries()) {
      if (index > 0) this.press('Enter');
      if (line !== '') this.#tmux('send-keys', '-l', line);
    }
  }

  press(key) {
    this.#tmux('send-keys', key);
  }

  /** All that is there, with what was scrolled out of it, without the prompt at its end. */
  screen() {
    return this.#captured().replace(/\n\$$/, '');
  }

  hasColors() {
    return this.#captured('-e').includes('\x1b[');
  }

  close() {
    this.#server.kill('SIGKILL');
  }

  #captured(...options) {
    const lines = this.#tmux('capture-pane', '-p', '-J', '-S', '-', ...options).split('\n');
    return lines
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd();
  }

  async #isBack(line = 'bash') {
    await until(() => existsSync(this.#codeFile) && /(^|\n)\$$/.test(this.#captured()), `no end of: ${line}`);
  }

  #isUp() {
    try {
      this.#tmux('show-options', '-g');
      return true;
    } catch {
      return false;
    }
  }

  #tmux(...args) {
    return execFileSync('tmux', args, {
      env: this.#env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }
}

/** Asks until it is so. */
export async function until(isSo, orElse, patience = PATIENCE) {
  for (const end = Date.now() + patience; Date.now() < end; await sleep(20)) if (await isSo()) return;
  throw new Error(`${orElse}, after ${patience / 1000} s`);
}
