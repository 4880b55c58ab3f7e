/** Values by name. When there are too many, the least recently used one goes first. */
export class RecentlyUsed<Value> {
  readonly #values: Map<string, Value>;
  readonly #maxValues: number;

  constructor(maxValues: number, values = new Map<string, Value>()) {
    this.#values = values;
    this.#maxValues = maxValues;
  }

  get(name: string): Value | undefined {
    const value = this.#values.get(name);
    if (value !== undefined) this.set(name, value);
    return value;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  set(name: string, value: Value): void {
    this.#values.delete(name); // A map keeps the order in which its keys came.
    this.#values.set(name, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.#maxValues) break;
      this.#values.delete(oldest);
    }
  }
}
