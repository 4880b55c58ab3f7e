import { Link } from '../engine/link.js';
import type { DirectAnswer, DirectReader } from './direct.js';
import { DEFAULT_PREFIX, DEFAULT_TTL, secretsOf, type Target, VERSION_LENGTH } from './redis-connection.js';
import { type Answer, AnswerParser, ErrorAnswer, encodeCommand } from './resp.js';

/** What an answer is of: the log-in, a value, the time that it has left, or the renewal of that. */
type Question = 'log-in' | 'renewal' | { value: string } | { timeToLive: string };

/** As `RedisStore.get`, of a server without TLS. */
export class DirectRedis implements DirectReader {
  readonly #target: Target;
  readonly #questions: Question[] = [];
  readonly #answers = new Map<string, DirectAnswer>();
  readonly #parser = new AnswerParser((answer) => this.#take(answer));
  #link: Link | undefined;
  #error: Error | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  ask(name: string): void {
    const key = DEFAULT_PREFIX + name;
    const commands = encodeCommand(['GET', key]) + encodeCommand(['PTTL', key]);
    if (this.#link) this.#link.send(Buffer.from(commands));
    else this.#link = new Link(this.#target.host, this.#target.port, Buffer.from(this.#logIn() + commands));
    this.#questions.push({ value: name }, { timeToLive: key });
  }

  answer(name: string, milliseconds: number): DirectAnswer | undefined {
    if (this.#error) throw this.#error;
    try {
      const read = this.#answers.has(name) ? undefined : this.#link?.read(milliseconds);
      if (read) this.#parser.push(read);
    } catch (error) {
      this.#error = new Error(`${this.#target.description}: ${this.#shown(error as Error)}`);
      throw this.#error;
    }
    const answer = this.#answers.get(name);
    this.#answers.delete(name);
    return answer;
  }

  close(): void {
    this.#link?.close();
  }

  #logIn(): string {
    const { username, password, database } = this.#target;
    const commands: string[][] = [];
    const account = username === undefined ? [] : [username];
    if (password !== undefined || username !== undefined) commands.push(['AUTH', ...account, password ?? '']);
    if (database !== 0) commands.push(['SELECT', String(database)]);
    for (const _ of commands) this.#questions.push('log-in');
    return commands.map(encodeCommand).join('');
  }

  /** @throws {Error} after which the connection is of no use. */
  #take(answer: Answer): void {
    const question = this.#questions.shift();
    if (question === undefined) throw new Error('an answer that nobody asked for');
    if (question === 'renewal') return;
    if (answer instanceof ErrorAnswer) throw new Error(answer.message);
    if (question === 'log-in') return;
    if ('timeToLive' in question) {
      if (typeof answer === 'number' && answer >= 0 && answer < (DEFAULT_TTL * 1000) / 2)
        this.#renew(question.timeToLive);
      return;
    }
    if (answer !== null && !(answer instanceof Buffer))
      throw new Error(`a ${typeof answer} as the answer, not a value`);
    if (answer && answer.length < VERSION_LENGTH) {
      throw new Error(`${answer.length} bytes as ${question.value}, which no such store put there`);
    }
    this.#answers.set(question.value, { bytes: answer?.subarray(VERSION_LENGTH) });
  }

  #renew(key: string): void {
    this.#link?.send(Buffer.from(encodeCommand(['EXPIRE', key, String(DEFAULT_TTL)])));
    this.#questions.push('renewal');
  }

  /** Servers may repeat what they were sent and did not understand, such as a log-in. */
  #shown({ message }: Error): string {
    const isSecret = secretsOf(this.#target).some((secret) => message.includes(secret));
    return isSecret ? 'the error is not shown, because the password is part of it' : message;
  }
}
