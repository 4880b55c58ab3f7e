import nodeNet from 'node:net';
import {
  CONNECT_STEPS,
  CONNECT_TIMEOUT,
  LINGER,
  type ReadCommands,
  type Reader,
  SILENCE_TIMEOUT,
  secretsOf,
  type Target,
} from './redis-connection.js';
import { type Answer, AnswerParser, ErrorAnswer, encodeCommand } from './resp.js';
import { untilAborted } from './until-aborted.js';

// node:tls is loaded where it is needed: it takes 10 ms.
const { getBuiltinModule } = process;

/**
 * Reads without a client, for the start of programs: to load the client of `@redis/client` takes longer than most
 * artifacts save.
 */
export class RedisReader implements Reader {
  readonly description: string;
  readonly secrets: string[];
  readonly #target: Target;
  #link: Link | undefined;
  #waiting = 0;
  #linger: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(target: Target) {
    this.description = target.description;
    this.secrets = secretsOf(target);
    this.#target = target;
  }

  async run<T>(commands: (client: ReadCommands) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#isClosed) throw new Error('the store is closed');
    this.#waiting++;
    clearTimeout(this.#linger);
    try {
      if (!this.#link || this.#link.isDropped) this.#link = new Link(this.#target);
      // The process stays for this, and, below, for nothing else.
      this.#link.keepsAlive = true;
      return await untilAborted(commands(this.#link), signal);
    } finally {
      if (--this.#waiting === 0) this.#rest();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#link?.drop(new Error('the store is closed'));
  }

  #rest(): void {
    const link = this.#link;
    if (!link) return;
    link.keepsAlive = false;
    // A connection that is being made keeps a process alive all the same, and an abandoned transfer is in the way.
    this.#linger = setTimeout(() => {
      if (link.isBusy) link.drop(new Error('nobody waits'));
    }, LINGER).unref();
  }
}

type Expected = 'text' | 'number' | 'value';

interface Question {
  expected: Expected;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** One connection, from its beginning to its end: after any error there is no other use of it. */
class Link implements ReadCommands {
  readonly #socket: nodeNet.Socket;
  readonly #questions: Question[] = [];
  /** Commands that are sent at the end of the turn, or when there is a connection: together, and so in one packet. */
  #unsent = '';
  #isConnected = false;
  #isReady = false;
  #keepsAlive = true;
  readonly #timer: NodeJS.Timeout;
  isDropped = false;

  constructor(target: Target) {
    const { host, port, tls, username, password, database } = target;
    const where = { host, port, noDelay: true };
    this.#socket = tls
      ? getBuiltinModule('node:tls').connect({ ...where, ...(nodeNet.isIP(host) === 0 && { servername: host }) })
      : nodeNet.connect(where);
    const parser = new AnswerParser((answer) => this.#take(answer));
    this.#socket
      // With TLS only now: before, nobody knows who would read the password.
      .once(tls ? 'secureConnect' : 'connect', () => this.#onConnected())
      .on('data', (chunk: Buffer) => this.#parse(parser, chunk))
      .on('error', (error) => this.drop(error))
      .on('end', () => this.drop(new Error('the server closed the connection')))
      .on('close', () => this.drop(new Error('the connection was closed')))
      .setTimeout(SILENCE_TIMEOUT, () => this.drop(new Error(`no byte within ${SILENCE_TIMEOUT} ms`)));
    let steps = 0;
    this.#timer = setInterval(() => {
      if (++steps === CONNECT_STEPS) this.drop(new Error(`no connection within ${CONNECT_TIMEOUT} ms`));
    }, CONNECT_TIMEOUT / CONNECT_STEPS).unref();

    const account = username === undefined ? [] : [username];
    if (password !== undefined || username !== undefined) this.#logIn(['AUTH', ...account, password ?? '']);
    if (database !== 0) this.#logIn(['SELECT', String(database)]);
  }

  /** Whether anything is to come. */
  get isBusy(): boolean {
    return !this.isDropped && (!this.#isReady || this.#questions.length > 0);
  }

  set keepsAlive(keepsAlive: boolean) {
    this.#keepsAlive = keepsAlive;
    // A socket that tries one address after the other forgets it.
    if (!this.#isConnected || this.isDropped) return;
    if (keepsAlive) this.#socket.ref();
    else this.#socket.unref();
  }

  get(key: string): Promise<Buffer | null> {
    return this.#ask('value', ['GET', key]);
  }

  exists(key: string): Promise<number> {
    return this.#ask('number', ['EXISTS', key]);
  }

  pTTL(key: string): Promise<number> {
    return this.#ask('number', ['PTTL', key]);
  }

  expire(key: string, seconds: number): Promise<number> {
    return this.#ask('number', ['EXPIRE', key, String(seconds)]);
  }

  drop(reason: Error): void {
    if (this.isDropped) return;
    this.isDropped = true;
    clearInterval(this.#timer);
    this.#socket.destroy();
    for (const { reject } of this.#questions.splice(0)) reject(reason);
  }

  #logIn(words: string[]): void {
    this.#ask('text', words).catch(() => {}); // What it is followed by is rejected with the same error.
  }

  async #ask<T>(expected: Expected, words: string[]): Promise<T> {
    if (this.isDropped) throw new Error('the connection was closed');
    if (this.#unsent === '' && this.#isConnected) process.nextTick(() => this.#send());
    this.#unsent += encodeCommand(words);
    return await new Promise<T>((resolve, reject) => {
      this.#questions.push({ expected, resolve: resolve as Question['resolve'], reject });
    });
  }

  #send(): void {
    if (this.isDropped || this.#unsent === '') return;
    this.#socket.write(this.#unsent);
    this.#unsent = '';
  }

  #onConnected(): void {
    this.#isConnected = true;
    this.keepsAlive = this.#keepsAlive;
    this.#send();
    this.#checkReady();
  }

  #parse(parser: AnswerParser, chunk: Buffer): void {
    try {
      if (!this.isDropped) parser.push(chunk);
    } catch (error) {
      this.drop(error as Error);
    }
  }

  /** @throws {Error} after which the connection is of no use. */
  #take(answer: Answer): void {
    const question = this.#questions.shift();
    if (!question) throw new Error('an answer that nobody asked for');
    if (answer instanceof ErrorAnswer) {
      const error = new Error(answer.message);
      question.reject(error);
      // The log-in: what was asked after it would be answered from another database.
      if (question.expected === 'text') throw error;
    } else if (question.expected !== kindOf(answer)) {
      const error = new Error(`a ${kindOf(answer)} as the answer, where a ${question.expected} was asked for`);
      question.reject(error);
      throw error;
    } else {
      question.resolve(answer);
    }
    this.#checkReady();
  }

  /** Connected, and nothing of the log-in is to come. */
  #checkReady(): void {
    if (this.#isReady || !this.#isConnected || this.#questions[0]?.expected === 'text') return;
    this.#isReady = true;
    clearInterval(this.#timer);
  }
}

function kindOf(answer: string | number | Buffer | null): Expected {
  if (typeof answer === 'string') return 'text';
  return typeof answer === 'number' ? 'number' : 'value';
}
