/** Lets tasks start in their order, as long as what they may take together fits a limit. */
export class MemoryBudget {
  #free: number;
  readonly #waiting: { size: number; start: () => void }[] = [];

  /** @param size - in bytes; a larger task runs alone */
  constructor(readonly size: number) {
    this.#free = size;
  }

  async run<T>(size: number, task: () => Promise<T>): Promise<T> {
    const taken = Math.min(size, this.size);
    await new Promise<void>((start) => {
      this.#waiting.push({ size: taken, start });
      this.#startNext();
    });
    try {
      return await task();
    } finally {
      this.#free += taken;
      this.#startNext();
    }
  }

  #startNext(): void {
    for (let next = this.#waiting[0]; next && next.size <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.size;
      next.start();
    }
  }
}
