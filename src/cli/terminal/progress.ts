import readline from 'node:readline';
import { Presets, SingleBar } from 'cli-progress';
import { escapeControls, formatDuration } from './output.js';

/** A line on standard error that says what is going on. Shown only on a terminal, and removed before anything else is printed. */
export class StatusLine {
  #isShown = false;

  show(text: string): void {
    const { stderr } = process;
    if (!stderr.isTTY) return;
    this.clear();
    stderr.write(escapeControls(text).slice(0, stderr.columns - 1));
    this.#isShown = true;
  }

  clear(): void {
    if (!this.#isShown) return;
    readline.cursorTo(process.stderr, 0);
    readline.clearLine(process.stderr, 0);
    this.#isShown = false;
  }
}

/** A bar on standard error that shows how much work is done and how long the rest takes. Shown only on a terminal. */
export class WorkBar {
  readonly #start = performance.now();
  readonly #bar: SingleBar | undefined;
  readonly #total: number;
  #timer: NodeJS.Timeout | undefined;
  #done = 0;

  /** @param total - in any unit */
  constructor(total: number) {
    this.#total = total;
    if (!process.stderr.isTTY || total === 0) return;
    const format = '{bar} {percentage} %, {left}{doing}';
    this.#bar = new SingleBar(
      { format, clearOnComplete: true, barsize: 30, hideCursor: false, linewrap: false },
      Presets.shades_classic,
    );
    this.#bar.start(total, 0, { left: 'time left unknown', doing: '' });
    this.#timer = setInterval(() => this.#update({}), 1000);
  }

  get isShown(): boolean {
    return this.#bar !== undefined;
  }

  doing(names: string[]): void {
    this.#update({ doing: names.length === 0 ? '' : `: ${escapeControls(names.join(', '))}` });
  }

  add(done: number): void {
    this.#done += done;
    this.#update({});
  }

  end(): void {
    clearInterval(this.#timer);
    this.#bar?.stop();
  }

  #update(payload: { doing?: string }): void {
    if (this.#done === 0) {
      this.#bar?.update(0, payload);
      return;
    }
    const passed = performance.now() - this.#start;
    const left = (passed * (this.#total - this.#done)) / this.#done;
    this.#bar?.update(this.#done, { ...payload, left: `about ${formatDuration(Math.round(left / 1000) * 1000)} left` });
  }
}
