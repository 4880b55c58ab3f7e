/**
 * What of RESP 2 a store needs that only reads: commands, and answers that are one text, number or value.
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 */

/** Bytes: the largest artifact that a `RemoteCache` takes by default, and what is around it. */
export const MAX_VALUE = 2 ** 28 + 2 ** 20;
/** Bytes of an answer that is no value. Those of servers have less than 200. */
const MAX_LINE = 4096;

const LF = 10;
const TEXT = 43; // +
const ERROR = 45; // -
const INTEGER = 58; // :
const VALUE = 36; // $

/** The server's own words. */
export class ErrorAnswer {
  constructor(readonly message: string) {}
}

/** `null`: no such value. */
export type Answer = string | number | Buffer | null | ErrorAnswer;

export function encodeCommand(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

/** Finds the answers in what a server sends, in whatever pieces it comes. */
export class AnswerParser {
  readonly #onAnswer: (answer: Answer) => void;
  /** What has come of a line that is not complete. */
  #line: Buffer = Buffer.alloc(0);
  #value: Buffer | undefined;
  /** Bytes that have come of the value, then of the line's end after it. */
  #filled = 0;

  constructor(onAnswer: (answer: Answer) => void) {
    this.#onAnswer = onAnswer;
  }

  /**
   * @throws {Error} that says what is not as it should be, with nothing of what was sent but a number. No more can be
   * parsed after that, because nobody knows where the next answer begins.
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#value ? this.#fill(this.#value, chunk, at) : this.#readLine(chunk, at);
  }

  #readLine(chunk: Buffer, start: number): number {
    const first = this.#line[0] ?? (chunk[start] as number);
    // At once: what is no answer need not have an end.
    if (![TEXT, ERROR, INTEGER, VALUE].includes(first)) {
      throw new Error(`an answer that is not understood, which begins with byte ${first}`);
    }
    const lf = chunk.indexOf(LF, start);
    const end = lf < 0 ? chunk.length : lf + 1;
    const line = Buffer.concat([this.#line, chunk.subarray(start, end)]);
    if (line.length > MAX_LINE) throw new Error(`an answer that is not understood, a line of over ${MAX_LINE} bytes`);
    if (lf < 0) {
      this.#line = line;
    } else {
      this.#line = Buffer.alloc(0);
      this.#take(first, line);
    }
    return end;
  }

  #take(type: number, line: Buffer): void {
    const [whole, text] = /^.([^\r\n]*)\r\n$/.exec(line.toString('utf8')) ?? [];
    if (whole === undefined || text === undefined) throw new Error('an answer that does not end as lines do');
    if (type === TEXT) this.#onAnswer(text);
    else if (type === ERROR) this.#onAnswer(new ErrorAnswer(text));
    else if (type === INTEGER) this.#onAnswer(integerOf(text));
    else if (text === '-1') this.#onAnswer(null);
    else this.#startValue(integerOf(text));
  }

  /** Its memory is only taken from the system as it is filled, so that a length that is not true costs nothing. */
  #startValue(length: number): void {
    if (length < 0 || length > MAX_VALUE) throw new Error(`a value of ${length} bytes, not of up to ${MAX_VALUE}`);
    this.#value = Buffer.allocUnsafeSlow(length);
    this.#filled = 0;
  }

  #fill(value: Buffer, chunk: Buffer, start: number): number {
    let at = start;
    if (this.#filled < value.length) {
      const copied = chunk.copy(value, this.#filled, at);
      this.#filled += copied;
      at += copied;
    }
    while (this.#filled >= value.length && at < chunk.length) {
      if (chunk[at++] !== '\r\n'.charCodeAt(this.#filled++ - value.length)) {
        throw new Error(`a value of other than the ${value.length} bytes that were announced`);
      }
      if (this.#filled < value.length + 2) continue;
      this.#value = undefined;
      this.#onAnswer(value);
      break;
    }
    return at;
  }
}

function integerOf(text: string): number {
  if (!/^-?\d{1,19}$/.test(text)) throw new Error('an answer that is not understood, which should be a number');
  return Number(text);
}
