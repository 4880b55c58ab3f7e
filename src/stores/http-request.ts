import type http from 'node:http';
import { CacheError } from '../cache-error.js';
import { TooLargeError } from '../too-large-error.js';
import { GrowingBytes } from './growing-bytes.js';

// Captured: programs replace globals. node:http and node:https are loaded on first use: they take 5 to 30 ms.
const { getBuiltinModule } = process;

/** A request. */
export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  url: URL;
  headers?: Record<string, string>;
  body?: Uint8Array | undefined;
  /** In bytes. A longer answer to a GET is refused. */
  maxSize: number;
  /** See `GetOptions`. */
  check?: ((beginning: Uint8Array) => void) | undefined;
  /** For GET and HEAD. With 0 a redirect is an ordinary answer. Default: 5. */
  maxRedirects?: number;
  signal?: AbortSignal | undefined;
  /** After its abort the request does not keep the process alive. */
  background?: AbortSignal | undefined;
}

/** A complete answer. */
export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** In its own memory. At most {@link MAX_TEXT_SIZE}, unless it is a requested value. */
  bytes: Uint8Array;
}

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** The bytes that are read of an error's body, or of an answer to a PUT. */
const MAX_TEXT_SIZE = 64 * 1024;

/** The bytes of a value that its reader checks before the rest comes. */
const BEGINNING = 512;

/** Milliseconds after which an idle connection is closed: servers close theirs after 5 s (Node) to 75 s (nginx). */
const IDLE_TIMEOUT = 30_000;
const MAX_IDLE_CONNECTIONS = 8;

/**
 * Sends requests with node:http and node:https, because connections of the global `fetch` keep an idle process alive for seconds.
 * These do so only while they wait for an answer.
 */
export class HttpTransport {
  readonly #agents = new Map<string, http.Agent>();

  /**
   * Sends a request and collects the answer, whatever its status; redirects of GET and HEAD are followed.
   *
   * @throws the signal's reason, or {@link CacheError} of kind `Other` when there is no whole answer. Its message has neither headers
   * nor a user name.
   */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { method, maxRedirects = method === 'GET' || method === 'HEAD' ? MAX_REDIRECTS : 0 } = request;
    let { url, headers = {} } = request;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#withRetry({ ...request, url, headers });
      if (!REDIRECTS.has(answer.status) || maxRedirects === 0) return answer;
      if (redirects === maxRedirects) throw failure(request, `more than ${maxRedirects} redirects`);
      const target = redirectTarget(url, answer, request);
      // The headers may contain a token, which is only for the server that the user named.
      if (target.origin !== url.origin) headers = {};
      url = target;
    }
  }

  /** Closes all connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async #withRetry(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#once(request);
    } catch (error) {
      if (error instanceof StaleConnection) return await this.#once(request, true);
      throw error;
    }
  }

  #once(request: HttpRequest, isRetry = false): Promise<HttpAnswer> {
    const { method, url, headers = {}, body, signal, background } = request;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const module = getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http') as typeof http;
      const sent = module.request({
        agent: this.#agent(url.protocol, module),
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port,
        path: url.pathname + url.search,
        method,
        headers: {
          'accept-encoding': 'identity', // artifacts are compressed already, where possible
          ...headers,
          ...(body || method === 'PUT' ? { 'content-length': body?.length ?? 0 } : {}),
        },
      });

      const settle = (finish: () => void) => {
        signal?.removeEventListener('abort', onAbort);
        background?.removeEventListener('abort', onBackground);
        finish();
      };
      // A connection with unread data cannot be reused.
      const fail = (reason: unknown) => {
        settle(() => reject(reason));
        sent.destroy();
      };
      const succeed = (answer: HttpAnswer, isRead: boolean) => {
        settle(() => resolve(answer));
        if (!isRead || !sent.writableFinished) sent.destroy();
      };
      const onAbort = () => fail(signal?.reason);
      const onBackground = () => {
        const { socket } = sent;
        socket?.unref();
        // A connection attempt would keep the process alive all the same, for minutes.
        if (socket?.connecting) fail(failure(request, 'aborted before there was a connection'));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      background?.addEventListener('abort', onBackground, { once: true });

      sent.on('socket', () => {
        if (background?.aborted) onBackground();
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // The server closed the idle connection and has not seen the request. A condition is not sent twice: it could have
        // been met by the first.
        const isStale = sent.reusedSocket && !isRetry && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
        if (isStale && !headers['if-match'] && !headers['if-none-match']) fail(new StaleConnection());
        else fail(failure(request, error));
      });
      let hasAnswer = false;
      sent.on('response', (response) => {
        hasAnswer = true;
        collect(request, response, succeed, fail);
      });
      sent.on('close', () => {
        // After a 101 Node closes the connection, and this is the only event.
        if (!hasAnswer) fail(failure(request, 'the connection was closed'));
      });
      sent.end(body);
    });
  }

  #agent(protocol: string, { Agent }: typeof http): http.Agent {
    let agent = this.#agents.get(protocol);
    if (!agent) {
      agent = new Agent({ keepAlive: true, timeout: IDLE_TIMEOUT, maxFreeSockets: MAX_IDLE_CONNECTIONS });
      this.#agents.set(protocol, agent);
    }
    return agent;
  }
}

/** A request that deserves another attempt on a new connection. */
class StaleConnection extends Error {}

function collect(
  request: HttpRequest,
  response: http.IncomingMessage,
  succeed: (answer: HttpAnswer, isRead: boolean) => void,
  fail: (reason: unknown) => void,
): void {
  const { method, maxSize } = request;
  const { statusCode: status = 0, headers } = response;
  const isValue = method === 'GET' && status >= 200 && status <= 299;
  const limit = isValue ? maxSize : Math.min(MAX_TEXT_SIZE, maxSize);
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
  const declared = headers['content-length'] === undefined ? undefined : Number(headers['content-length']);
  const refuse = (why: string) => fail(failure(request, why));

  if (isValue && hasBody) {
    if ((declared ?? 0) > limit) {
      fail(tooLarge(request, declared));
      return;
    }
    const objection = whyRefused(headers);
    if (objection !== undefined) {
      refuse(objection);
      return;
    }
  }

  const body = new GrowingBytes(hasBody ? Math.min(declared ?? limit, limit) : 0);
  const answer = (isRead: boolean) => succeed({ status, headers, bytes: body.copy() }, isRead);
  response.on('data', (chunk: Uint8Array) => {
    const before = body.length;
    if (!body.add(chunk)) {
      if (isValue) fail(tooLarge(request, undefined));
      else answer(false);
    } else if (isValue && before < BEGINNING && body.length >= BEGINNING) {
      try {
        request.check?.(body.beginning(BEGINNING));
      } catch (error) {
        fail(error);
      }
    }
  });
  response.on('end', () => {
    if (response.complete) answer(true);
  });
  const cutOff = (why: string) =>
    refuse(`the answer ended after ${body.length} of ${declared ?? 'unknown'} bytes${why}`);
  response.on('error', (error) => cutOff(` (${error.message})`));
  response.on('close', () => {
    if (!response.complete) cutOff('');
    body.free();
  });
}

function whyRefused(headers: http.IncomingHttpHeaders): string | undefined {
  const {
    'content-length': length,
    'content-encoding': encoding = 'identity',
    'transfer-encoding': transfer,
  } = headers;
  if (encoding !== 'identity') return 'an answer in an encoding that was not asked for';
  if (length === undefined && !/chunked$/i.test(transfer ?? ''))
    return 'an answer without a length, of which nobody can tell whether it is whole';
  return undefined;
}

function redirectTarget(from: URL, { headers }: HttpAnswer, request: HttpRequest): URL {
  let target: URL;
  try {
    target = new URL(headers.location ?? 'nowhere:', from);
  } catch {
    throw failure(request, 'a redirect to an invalid address'); // Without the cause, which may contain a secret.
  }
  const isAllowed = target.protocol === 'https:' || (target.protocol === 'http:' && from.protocol === 'http:');
  if (!isAllowed) throw failure(request, `a redirect to ${target.protocol} is not followed`);
  return target;
}

function tooLarge(request: HttpRequest, size: number | undefined): CacheError {
  return new TooLargeError(shown(request), size, request.maxSize);
}

/** The method and the address, without a query and other parts that may be secret. */
function shown({ method, url }: HttpRequest): string {
  return `${method} ${url.origin}${url.pathname}`;
}

function failure(request: HttpRequest, cause: unknown): CacheError {
  const what = shown(request);
  if (typeof cause === 'string') return new CacheError('Other', `${what}: ${cause}`);
  const error = cause as NodeJS.ErrnoException & { rawPacket?: unknown };
  delete error.rawPacket; // Some servers send the request back in their answer.
  const isGarbage = error.code?.startsWith('HPE_');
  const why = isGarbage ? 'the answer is not HTTP' : whyNoAnswer(error);
  return new CacheError('Other', `${what}: ${why}`, { cause });
}

/** If both addresses of a host fail, Node's error has no message itself. */
function whyNoAnswer(error: NodeJS.ErrnoException): string {
  return error.message || error.code || 'no answer';
}

/**
 * The URL before the names of a store.
 *
 * @param what - the store and its option, for the message
 * @throws {TypeError} that does not show the URL, which may contain a password.
 */
export function baseUrl(what: string, url: string | URL): URL {
  let base: URL;
  try {
    base = new URL(url);
  } catch {
    throw new TypeError(`${what} is not an absolute URL`); // without the cause, which contains the URL
  }
  if (!/^https?:$/.test(base.protocol)) throw new TypeError(`${what} must start with http: or https:`);
  if (base.search || base.hash) throw new TypeError(`${what} must not contain ? or #`);
  return base;
}
