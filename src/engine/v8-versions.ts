// Everything that differs between versions of V8, and nothing else does. `npm run node:check -- <version of Node>` says what a new
// version needs here.

// Captured: programs replace them.
const { versions } = process;

/** Which u32 of a record are lengths; docs/v8.md, "The layout". */
export interface NativeCodeLayout {
  /** Length of the header, for a module compiled without options. */
  readonly headerLength: number;
  /** Offset of the u64 that holds the bytes of machine code in all records. */
  readonly codeSizeAt: number;
  /** In a record: the first length, which is that of the machine code. */
  readonly firstLength: number;
  /** The length of the inlining positions. */
  readonly inliningLength: number;
  /** How many u32 there are before the kind. */
  readonly numbers: number;
}

/** A flag that is set for a moment, and what sets it back to V8's default. */
type Toggle = readonly [set: string, reset: string];

export interface V8Version {
  /**
   * Whether every door that is used here was tried, crashes included. V8 promises nothing about any of them, so src/probe tries any other
   * version where it runs.
   */
  readonly isTested: boolean;
  /** What loads native code: the class whose symbols native/v8.cc looks up, or the intrinsic of natives-syntax.ts. */
  readonly loadsBy: 'WasmModuleCompilation' | '%DeserializeWasmModule';
  readonly layout: NativeCodeLayout;
  /** V8's default of `--wasm-tiering-budget`; docs/v8.md, "Tiering and budgets". */
  readonly tieringBudget: number;
  /** Whether V8 inlines calls when it optimises with feedback, which a learner cannot do: then long runs re-tier. */
  readonly inlines: boolean;
  /**
   * What to set, in this order, and to set back, in the reverse order, so that `new WebAssembly.Module()` optimises every function before it
   * returns (docs/v8.md, "Flags for compiling everything"):
   *
   * - no lazy compilation and no baseline compiler. Before version 13 no dynamic tiering either: V8 switches that off itself while the
   *   baseline compiler is off, and then does not switch it on again;
   * - no inlining: the code is half as large, made two to three times as fast, and does not depend on other functions' bodies, which
   *   may be stubs. From V8 14 on inlining must be off before the baseline compiler is. V8 12 inlines only in modules with
   *   garbage-collected types, and can only be told the size up to which.
   *
   * Each of them must be on by default. Resetting one that is off by default would leave other flags behind.
   */
  readonly aheadOfTime: readonly Toggle[];
}

export const V8_VERSIONS: Readonly<Record<string, V8Version>> = {
  // Node 20
  '11.3': {
    isTested: true,
    loadsBy: '%DeserializeWasmModule',
    layout: { headerLength: 25, codeSizeAt: 16, firstLength: 7, inliningLength: 10, numbers: 12 },
    tieringBudget: 1_800_000,
    inlines: false,
    aheadOfTime: off('wasm-dynamic-tiering', 'liftoff', 'wasm-lazy-compilation'),
  },
  // Node 22
  '12.4': {
    isTested: true,
    loadsBy: '%DeserializeWasmModule',
    layout: { headerLength: 29, codeSizeAt: 20, firstLength: 7, inliningLength: 10, numbers: 12 },
    tieringBudget: 13_000_000,
    inlines: true,
    aheadOfTime: [
      ['--wasm-inlining-max-size=0', '--wasm-inlining-max-size=500'],
      ...off('wasm-dynamic-tiering', 'liftoff', 'wasm-lazy-compilation'),
    ],
  },
  // Node 24
  '13.6': {
    isTested: true,
    loadsBy: '%DeserializeWasmModule',
    layout: { headerLength: 41, codeSizeAt: 24, firstLength: 8, inliningLength: 11, numbers: 14 },
    tieringBudget: 13_000_000,
    inlines: true,
    aheadOfTime: off('wasm-inlining', 'wasm-lazy-compilation', 'liftoff'),
  },
  // Node 26
  '14.6': {
    isTested: true,
    loadsBy: 'WasmModuleCompilation',
    layout: { headerLength: 45, codeSizeAt: 36, firstLength: 9, inliningLength: 12, numbers: 16 },
    tieringBudget: 13_000_000,
    inlines: true,
    aheadOfTime: off('wasm-inlining', 'wasm-inlining-call-indirect', 'wasm-lazy-compilation', 'liftoff'),
  },
};

function off(...flags: string[]): Toggle[] {
  return flags.map((flag) => [`--no-${flag}`, `--${flag}`]);
}

/** The first two numbers of V8's version: what V8 changes with them is in the table. */
export function v8Version(full: string = versions.v8): string {
  return full.split('.').slice(0, 2).join('.');
}

/** What is known of this version of V8. */
export function knownV8(full?: string): V8Version | undefined {
  return V8_VERSIONS[v8Version(full)];
}
