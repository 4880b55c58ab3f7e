import readline from 'node:readline';

/** One line on standard error that says what is going on, where that is a terminal; it goes when something else is printed. */
export class StatusLine {
  #isShown = false;

  show(text: string): void {
    const { stderr } = process;
    if (!stderr.isTTY) return;
    this.clear();
    stderr.write(text.slice(0, stderr.columns - 1));
    this.#isShown = true;
  }

  clear(): void {
    if (!this.#isShown) return;
    readline.cursorTo(process.stderr, 0);
    readline.clearLine(process.stderr, 0);
    this.#isShown = false;
  }
}
