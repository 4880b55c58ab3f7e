/** What happened to one module, in one process, in one day, or altogether. Durations are milliseconds. */
export interface ModuleCounts {
  /** The first 16 digits of its hash; '' where no process found out. */
  key: string;
  /** Which package, else which file, called WebAssembly; '' where that is not known. */
  name: string;
  wireLength: number;
  /** Bytes of the native code that was restored; 0 where none was. */
  nativeLength: number;
  /** Hits: restored from the cache folder, or from the store behind it. */
  restored: number;
  /** Hits: the thread had it alive, and V8 itself would not have compiled it again. */
  alive: number;
  misses: number;
  /** All hits together, from the call to the module. */
  hitTime: number;
  /** All misses together, until it was clear that they are some. */
  missTime: number;
  /**
   * From there to the modules that V8 made, all misses together: with `instantiate()` until they ran their start functions, and in an
   * asynchronous call with what the program did in the meantime.
   */
  compileTime: number;
}

const { round } = Math;

/** So that lines of another version are not taken for these. */
const VERSION = '1';
export const KEY_DIGITS = 16;
export const MAX_NAME = 64;

const NUMBER = '(\\d{1,15})';
const LINE = new RegExp(
  `^${VERSION} (-|[0-9a-f]{${KEY_DIGITS}}) ${Array(8).fill(NUMBER).join(' ')} (-|[\\w.@/+-]{1,${MAX_NAME}})$`,
);
const MICROSECONDS = 1000;

/** One line, with its end: numbers and names without spaces, which `awk` can read, too. */
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

/** What is no such line is left out, whatever it is: another version's, cut off by a full disk, or somebody else's. */
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

type NumbersOfLine = [number, number, number, number, number, number, number, number];
