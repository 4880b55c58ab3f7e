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

const NUMBER = '(\\d{1,15})';
const LINE = new RegExp(
  `^${VERSION} (-|[0-9a-f]{${KEY_DIGITS}}) ${Array(8).fill(NUMBER).join(' ')} (-|[\\w.@/+-]{1,${MAX_NAME}})$`,
);
const MICROSECONDS = 1000;

/** A line with its line break: numbers and names without spaces, which `awk` can read, too. */
export function encodeLine(counts: ModuleCounts): string {
  const { key, name, wireLength, nativeLength, restored, alive, misses, hitTime, missTime, compileTime } = counts;
  const counted = `${wireLength} ${nativeLength} ${restored} ${alive} ${misses}`;
  const [hit, miss, compile] = [
    round(hitTime * MICROSECONDS),
    round(missTime * MICROSECONDS),
    round(compileTime * MICROSECONDS),
  ];
  return `${VERSION} ${key || '-'} ${counted} ${hit} ${miss} ${compile} ${name || '-'}\n`;
}

/** Skips everything that is no such line: of another version, cut off by a full disk, or foreign. */
export function decodeLines(text: string): ModuleCounts[] {
  return text.split('\n').flatMap((line) => {
    const [, key, ...rest] = LINE.exec(line) ?? [];
    if (key === undefined) return [];
    const name = rest.pop() as string;
    const [wireLength, nativeLength, restored, alive, misses, ...times] = rest.map(Number) as NumbersOfLine;
    const [hitTime, missTime, compileTime] = times.map((time) => time / MICROSECONDS) as [number, number, number];
    const known = { key: key === '-' ? '' : key, name: name === '-' ? '' : name, wireLength, nativeLength };
    return [{ ...known, restored, alive, misses, hitTime, missTime, compileTime }];
  });
}

/** Whether a file begins as one of statistics does, of this version or another one. */
export function isStatistics(bytes: Uint8Array): boolean {
  return bytes.length === 0 || STARTS.test(Buffer.from(bytes.subarray(0, MAX_START)).toString('latin1'));
}

/** The version, the key and the first number. */
const STARTS = new RegExp(`^\\d+ (-|[0-9a-f]{${KEY_DIGITS}}) \\d`);
const MAX_START = 64;

type NumbersOfLine = [number, number, number, number, number, number, number, number];
