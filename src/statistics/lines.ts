/** The counts of one module, in one process, on one day, or in total. Durations are milliseconds. */
export interface ModuleCounts {
  /** The first 16 digits of its hash; '' if no process knew it. */
  key: string;
  /** The package or file that called WebAssembly; '' if unknown. */
  name: string;
  wireLength: number;
  /** Bytes of the native code that was restored; 0 if none was. */
  nativeLength: number;
  /** Hits: restored from the cache folder, or from the store behind it. */
  restored: number;
  /** Hits of a module that was alive in the thread; V8 itself would not have compiled it again. */
  alive: number;
  misses: number;
  /** The time of all hits, from the call to the module. */
  hitTime: number;
  /** The time of all misses, until it was clear that they are misses. */
  missTime: number;
  /**
   * The time of all misses from there until V8 had made the modules. For `instantiate()` this includes start functions, and for an
   * asynchronous call whatever the program did in the meantime.
   */
  compileTime: number;
}

const { round } = Math;

/** Lines of another version are not read. */
const VERSION = '1';
export const KEY_DIGITS = 16;
export const MAX_NAME = 64;

const TIMES = ['hitTime', 'missTime', 'compileTime'] as const;
/** What is added up. */
export const ADDED = ['restored', 'alive', 'misses', ...TIMES] as const;
/** In the order of a line. */
const NUMBERS = ['wireLength', 'nativeLength', ...ADDED] as const;
const KEY = `(?<key>-|[0-9a-f]{${KEY_DIGITS}})`;
const NAME = `(?<name>-|[\\w.@/+-]{1,${MAX_NAME}})`;
const LINE = new RegExp(`^${VERSION} ${KEY} ${NUMBERS.map((name) => `(?<${name}>\\d{1,15})`).join(' ')} ${NAME}$`);
const MICROSECONDS = 1000;

/** A line with its line break: numbers and names without spaces, which `awk` can read, too. */
export function encodeLine(counts: ModuleCounts): string {
  const { key, name, wireLength, nativeLength, restored, alive, misses } = counts;
  const times = TIMES.map((time) => round(counts[time] * MICROSECONDS)).join(' ');
  return `${VERSION} ${key || '-'} ${wireLength} ${nativeLength} ${restored} ${alive} ${misses} ${times} ${name || '-'}\n`;
}

/** Skips everything that is no such line: of another version, cut off by a full disk, or foreign. */
export function decodeLines(text: string): ModuleCounts[] {
  return text.split('\n').flatMap((line) => {
    const { groups } = LINE.exec(line) ?? {};
    if (!groups) return [];
    const numbers = NUMBERS.map((name) => [name, Number(groups[name])] as const);
    const counts = { key: known(groups.key), name: known(groups.name), ...Object.fromEntries(numbers) } as ModuleCounts;
    for (const time of TIMES) counts[time] /= MICROSECONDS;
    return [counts];
  });
}

function known(text: string | undefined): string {
  return text === undefined || text === '-' ? '' : text;
}

/** Whether a file begins as one of statistics does, of this version or another one. */
export function isStatistics(bytes: Uint8Array): boolean {
  return bytes.length === 0 || STARTS.test(Buffer.from(bytes.subarray(0, MAX_START)).toString('latin1'));
}

/** The version, the key and the first number. */
const STARTS = new RegExp(`^\\d+ (-|[0-9a-f]{${KEY_DIGITS}}) \\d`);
const MAX_START = 64;
