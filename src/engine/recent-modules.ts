/** Live modules of this thread by name, the least recently used one first to go. Their sizes are not known. */
export class RecentModules {
  readonly #modules: Map<string, WebAssembly.Module>;
  readonly #maxModules: number;

  constructor(maxModules: number, modules = new Map<string, WebAssembly.Module>()) {
    this.#modules = modules;
    this.#maxModules = maxModules;
  }

  get(name: string): WebAssembly.Module | undefined {
    const module = this.#modules.get(name);
    if (module) this.set(name, module);
    return module;
  }

  has(name: string): boolean {
    return this.#modules.has(name);
  }

  set(name: string, module: WebAssembly.Module): void {
    this.#modules.delete(name); // A map keeps the order in which its keys came.
    this.#modules.set(name, module);
    for (const oldest of this.#modules.keys()) {
      if (this.#modules.size <= this.#maxModules) break;
      this.#modules.delete(oldest);
    }
  }
}
