import type tty from 'node:tty';
import Table from 'cli-table3';
import pc from 'picocolors';
import stringWidth from 'string-width';

export type Colors = ReturnType<typeof pc.createColors>;

/** Colours for a terminal, unless `NO_COLOR` is set or `TERM` says that it cannot show them. */
export function colorsFor(stream: Partial<Pick<tty.WriteStream, 'isTTY' | 'hasColors'>>): Colors {
  return pc.createColors(stream.isTTY === true && stream.hasColors?.() === true);
}

export const noColors = pc.createColors(false);

/**
 * Characters that a terminal obeys instead of showing them: escape sequences, other controls, line separators, and invisible ones that change
 * the direction of the text. Names in a cache folder, a store or a module may hold any of them.
 */
const CONTROLS = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Shows each control character as its number, such as `\u001b`. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** A copy of what a command found out, with the controls in all its texts escaped: to be shown, not for `--json`. */
export function escapedDocument<Document>(document: Document): Document {
  if (typeof document === 'string') return escapeControls(document) as Document;
  if (Array.isArray(document)) return document.map(escapedDocument) as Document;
  if (typeof document !== 'object' || document === null) return document;
  const entries = Object.entries(document).map(([name, value]) => [escapeControls(name), escapedDocument(value)]);
  return Object.fromEntries(entries);
}

/**
 * Prints a message. Its controls are escaped, but for line ends.
 *
 * @param paint - colours the message
 * @param prefix - printed as it is
 */
export function printLine(
  stream: NodeJS.WritableStream,
  message: string,
  paint: (text: string) => string = (text) => text,
  prefix = '',
): void {
  stream.write(`${prefix}${paint(message.split('\n').map(escapeControls).join('\n'))}\n`);
}

/** One column of a table: its title, and what it shows of a row. */
export interface Column<Row> {
  title: string;
  align?: 'left' | 'right';
  value(row: Row): string;
}

/** A table without lines, so that `cut` and `awk` can read it. */
export function table<Row>(columns: Column<Row>[], rows: Row[], colors: Colors): string {
  const head = columns.map(({ title }) => colors.dim(title));
  const cells = [head, ...rows.map((row) => columns.map(({ value }) => value(row)))];
  const options = {
    colAligns: columns.map(({ align = 'left' }) => align),
    // At least 1: for 0 the library chooses a width.
    colWidths: columns.map((_, column) =>
      cells.reduce((width, row) => Math.max(width, stringWidth(row[column] as string)), 1),
    ),
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  };
  const pieces: string[] = [];
  for (let at = 0; at < cells.length; at += ROWS_AT_ONCE) {
    const piece = new Table(options);
    piece.push(...cells.slice(at, at + ROWS_AT_ONCE));
    pieces.push(piece.toString());
  }
  return withoutTrailingSpaces(pieces.join('\n'));
}

/** The library takes quadratic time: 17 s for 10,000 rows, and a cache folder may have as many. */
const ROWS_AT_ONCE = 100;

/** Names with their values, one pair a line. Pairs whose value is `undefined` are left out. */
export function list(pairs: [name: string, value: string | undefined][], colors: Colors): string {
  const shown = pairs.filter((pair): pair is [string, string] => pair[1] !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${colors.dim(name.padEnd(width))}  ${value}`).join('\n');
}

/** `1536` -> `1.5 KiB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // A value that rounds to 1024 of a unit is shown as 1 of the next unit.
  for (; unit < SIZE_UNITS.length - 1 && Number(value.toFixed(decimals(value))) >= 1024; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(decimals(value))} ${SIZE_UNITS[unit]}`;
}

/** `90000` -> `1.5 min`. */
export function formatDuration(milliseconds: number): string {
  let value = milliseconds;
  let unit = 0;
  for (; unit < DURATION_UNITS.length - 1; unit++) {
    const [, length] = DURATION_UNITS[unit] as [string, number];
    if (Number(value.toFixed(decimals(value))) < length) break;
    value /= length;
  }
  return `${Number(value.toFixed(decimals(value)))} ${DURATION_UNITS[unit]?.[0]}`;
}

/** How long ago something was, in words. A time in the future comes from a clock that was wrong, then or now. */
export function formatAge(time: string, now = Date.now()): string {
  const age = now - Date.parse(time);
  if (age < -60_000) return 'in the future';
  return age < 60_000 ? 'just now' : `${formatDuration(age)} ago`;
}

/** `3 files`, `1 file`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

const NO_LINES = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
  ].map((name) => [name, '']),
);
NO_LINES.middle = '  ';

const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
/** Each unit with how many of it make the next one. */
const DURATION_UNITS: [string, number][] = [
  ['ms', 1000],
  ['s', 60],
  ['min', 60],
  ['h', 24],
  ['d', Infinity],
];

function decimals(value: number): number {
  return Math.abs(value) < 9.95 ? 1 : 0;
}

function withoutTrailingSpaces(text: string): string {
  return text.replace(/ +$/gm, '');
}
