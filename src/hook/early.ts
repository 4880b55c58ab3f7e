/** What the start of the hook hands to its rest. */
interface Early {
  /** Identifies the source of the rest: 16 hexadecimal digits. */
  readonly build: string;
  /** The modules that both have, by the path of their source: their state must be one. */
  readonly modules: Readonly<Record<string, object>>;
  /** Globals, and the properties of builtins that the rest captures, as they were at the start. */
  readonly globals: object;
  readonly captured: Readonly<Record<string, unknown>>;
}

/** Filled by the build: see scripts/hook-bundle.mjs. The library is not bundled, and needs only the globals. */
export const early: Early = { build: '', modules: {}, globals: globalThis, captured: {} };
