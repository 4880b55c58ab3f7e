// compileStreaming and instantiateStreaming: which responses they accept, how they read the body, and their errors.
import { createServer } from 'node:http';
import { inspect } from 'node:util';
import { bytesOf, hostedImports, mainBytes, sizes } from '../modules.mjs';
import { cross, microtasksUntilSettled, outcome, properties, show, tag, useResult } from '../observe.mjs';
import { patch, remove, restore } from '../patch.mjs';
import { streamingWays, wasmResponse, waysBySize } from '../ways.mjs';

const typed = (type) => (bytes) => new Response(bytes, type === undefined ? {} : { headers: { 'content-type': type } });
const withStatus = (status) => (bytes) => wasmResponse(bytes, { status });
const stream = (start, strategy) => wasmResponse(new ReadableStream({ start }, strategy));
const inChunks = (bytes, size, convert = (chunk) => chunk) =>
  stream((controller) => {
    for (let at = 0; at < bytes.length; at += size) controller.enqueue(convert(bytes.slice(at, at + size)));
    controller.close();
  });
const failingAfter = (part, error) => (bytes) => {
  let sent = false;
  return wasmResponse(
    new ReadableStream({
      pull(controller) {
        if (sent || part === 0) controller.error(error());
        else controller.enqueue(bytes.slice(0, bytes.length * part));
        sent = true;
      },
    }),
  );
};
const throws = () => {
  throw new Error('a getter of the response');
};
const then = (use) => (bytes) => ({ then: (resolve, reject) => use({ resolve, reject, bytes }) });

const mimeTypes = {
  'application/wasm': 'application/wasm',
  'upper case': 'Application/WASM',
  'with a parameter': 'application/wasm;charset=utf-8',
  'with a space and a parameter': 'application/wasm; x=1',
  'with a semicolon': 'application/wasm;',
  'with spaces around': '  application/wasm  ',
  'twice in one header': 'application/wasm, application/wasm',
  'octet stream': 'application/octet-stream',
  'text/html': 'text/html',
  'prefix of the right one': 'application/was',
  'longer than the right one': 'application/wasm2',
  empty: '',
  none: undefined,
};

/** Arguments of the functions, made from the bytes. */
const sources = {
  'a response': (bytes) => wasmResponse(bytes),
  'promise of a response': async (bytes) => wasmResponse(bytes),
  'promise of a promise': async (bytes) => Promise.resolve(wasmResponse(bytes)),
  'late promise': (bytes) => new Promise((resolve) => setTimeout(resolve, 2, wasmResponse(bytes))),
  thenable: then(({ resolve, bytes }) => resolve(wasmResponse(bytes))),
  'thenable that rejects': then(({ reject }) => reject(new Error('no response'))),
  'thenable that throws': then(() => throws()),
  'thenable that calls twice': then(
    ({ resolve, reject, bytes }) => (resolve(wasmResponse(bytes)), reject(new Error('second'))),
  ),
  'promise rejected': () => Promise.reject(new RangeError('no response')),
  'promise rejected with undefined': () => Promise.reject(),
  'promise rejected with text': () => Promise.reject('text'),
  'promise of bytes': async (bytes) => bytes,
  bytes: (bytes) => bytes,
  ArrayBuffer: (bytes) => bytes.buffer,
  undefined: () => undefined,
  null: () => null,
  number: () => 1,
  string: () => 'https://example.com/a.wasm',
  symbol: () => Symbol('source'),
  'plain object': () => ({}),
  Blob: (bytes) => new Blob([bytes], { type: 'application/wasm' }),
  Request: () => new Request('https://example.com/a.wasm'),
  stream: (bytes) => wasmResponse(bytes).body,
  Module: (bytes) => new WebAssembly.Module(bytes),
  'object like a response': (bytes) => ({ ok: true, headers: new Headers(), body: null, bytes }),
  'object of the prototype': () => Object.create(Response.prototype),
  'proxy of a response': (bytes) => new Proxy(wasmResponse(bytes), {}),
  'object created from a response': (bytes) => Object.create(wasmResponse(bytes)),
  'frozen response': (bytes) => Object.freeze(wasmResponse(bytes)),
  'response with another prototype': (bytes) => Object.setPrototypeOf(wasmResponse(bytes), null),
  'response of a subclass': (bytes) =>
    new (class extends Response {
      extra = 1;
    })(bytes, { headers: { 'content-type': 'application/wasm' } }),
  'status 201': withStatus(201),
  'status 299': withStatus(299),
  'status 300': withStatus(300),
  'status 404': withStatus(404),
  'status 500': withStatus(500),
  'status 404 and another type': (bytes) => new Response(bytes, { status: 404 }),
  'Response.error()': () => Response.error(),
  'Response.redirect()': () => Response.redirect('https://example.com/'),
  'Response.json()': () => Response.json({}),
  'no body': () => wasmResponse(null),
  'no body, status 204': () => wasmResponse(null, { status: 204 }),
  'empty body': () => wasmResponse(''),
  'text body': () => wasmResponse('not wasm'),
  'blob body': (bytes) => wasmResponse(new Blob([bytes])),
  'ArrayBuffer body': (bytes) => wasmResponse(bytes.buffer),
  'Buffer body': (bytes) => wasmResponse(Buffer.from(bytes)),
  'DataView body': (bytes) => wasmResponse(new DataView(bytes.buffer)),
  'body of a view with offset': (bytes) => wasmResponse(Buffer.concat([Buffer.alloc(8), bytes]).subarray(8)),
  'async iterable body': (bytes) =>
    wasmResponse(
      ReadableStream.from ? ReadableStream.from([bytes.slice(0, 10), bytes.slice(10)]) : inChunks(bytes, 10).body,
    ),
  'read body': async (bytes) => {
    const response = wasmResponse(bytes);
    await response.arrayBuffer();
    return response;
  },
  'body half read': async (bytes) => {
    const response = inChunks(bytes, 20);
    const reader = response.body.getReader();
    await reader.read();
    reader.releaseLock();
    return response;
  },
  'locked body': (bytes) => {
    const response = wasmResponse(bytes);
    response.body.getReader();
    return response;
  },
  'cancelled body': async (bytes) => {
    const response = wasmResponse(bytes);
    await response.body.cancel();
    return response;
  },
  'clone of a response': (bytes) => wasmResponse(bytes).clone(),
  'response that was cloned': (bytes) => {
    const response = wasmResponse(bytes);
    response.clone();
    return response;
  },
  'one chunk': (bytes) => inChunks(bytes, bytes.length),
  'many chunks': (bytes) => inChunks(bytes, Math.max(1, bytes.length >> 5)),
  'empty chunks between': (bytes) =>
    stream((controller) => {
      for (const chunk of [[], bytes.slice(0, 9), [], [], bytes.slice(9), []])
        controller.enqueue(Uint8Array.from(chunk));
      controller.close();
    }),
  'chunks on one buffer': (bytes) =>
    inChunks(bytes, 16 * 1024, (chunk) => Buffer.concat([Buffer.alloc(3), chunk]).subarray(3)),
  'ArrayBuffer chunks': (bytes) => inChunks(bytes, 16 * 1024, (chunk) => chunk.buffer),
  'DataView chunks': (bytes) => inChunks(bytes, 16 * 1024, (chunk) => new DataView(chunk.buffer)),
  'SharedArrayBuffer chunks': (bytes) =>
    inChunks(bytes, 16 * 1024, (chunk) => {
      const view = new Uint8Array(new SharedArrayBuffer(chunk.length));
      view.set(chunk);
      return view;
    }),
  'text chunks': (bytes) => inChunks(bytes, 16 * 1024, () => 'chunk'),
  'null chunk': () => stream((controller) => controller.enqueue(null)),
  'number chunk after good ones': (bytes) =>
    stream((controller) => {
      controller.enqueue(bytes);
      controller.enqueue(5);
      controller.close();
    }),
  'byte stream': (bytes) =>
    wasmResponse(
      new ReadableStream({
        type: 'bytes',
        start(controller) {
          controller.enqueue(bytes.slice());
          controller.close();
        },
      }),
    ),
  'transformed stream': (bytes) => wasmResponse(wasmResponse(bytes).body.pipeThrough(new TransformStream())),
  'error at the start': failingAfter(0, () => new Error('stream broke')),
  'error in the middle': failingAfter(0.5, () => new Error('stream broke')),
  'error at the end': failingAfter(1, () => new Error('stream broke')),
  'error that is undefined': failingAfter(0.5, () => undefined),
  'error that is a CompileError': failingAfter(0.5, () => new WebAssembly.CompileError('mine')),
  'ends in the middle': (bytes) => inChunks(bytes.slice(0, bytes.length >> 1), 16 + (bytes.length >> 6)),
  'wrong magic in chunks': (bytes) => inChunks(bytes.fill(1, 0, 1), 1 + (bytes.length >> 4)),
  'wrong magic, then an error': (bytes) => failingAfter(0.5, () => new Error('stream broke'))(bytes.fill(1, 0, 1)),
  'two modules one after the other': (bytes) => wasmResponse(Buffer.concat([bytes, bytes])),
  'own throwing headers': (bytes) => Object.defineProperty(wasmResponse(bytes), 'headers', { get: throws }),
  'own throwing body': (bytes) => Object.defineProperty(wasmResponse(bytes), 'body', { get: throws }),
  'own other headers': (bytes) => Object.defineProperty(wasmResponse(bytes), 'headers', { value: new Headers() }),
  'own other body': (bytes) =>
    Object.defineProperty(wasmResponse('other'), 'body', { value: wasmResponse(bytes).body }),
  'own ok': (bytes) => Object.defineProperty(wasmResponse(bytes, { status: 404 }), 'ok', { value: true }),
  'own bodyUsed': (bytes) => Object.defineProperty(wasmResponse(bytes), 'bodyUsed', { value: true }),
  'own arrayBuffer': (bytes) => Object.defineProperty(wasmResponse(bytes), 'arrayBuffer', { value: throws }),
};

/** A response that records which of its members are used, in order. */
function watched(bytes, log) {
  class Watched extends Response {}
  for (const key of Reflect.ownKeys(Response.prototype)) {
    const descriptor = Object.getOwnPropertyDescriptor(Response.prototype, key);
    if (!descriptor.get && typeof descriptor.value !== 'function') continue;
    const wrap = (original) =>
      function (...args) {
        log.push(String(key));
        return Reflect.apply(original, this, args);
      };
    if (key === 'constructor') continue;
    const watchedProperty = descriptor.get ? { get: wrap(descriptor.get) } : { value: wrap(descriptor.value) };
    Object.defineProperty(Watched.prototype, key, { ...watchedProperty, configurable: true });
  }
  return new Watched(bytes, { headers: { 'content-type': 'application/wasm' } });
}

async function withServer(respond, use) {
  const server = createServer(respond);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}/module.wasm`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const optionCases = {
  null: () => null,
  number: () => 1,
  'js-string': () => ({ builtins: ['js-string'], importedStringConstants: 'str' }),
  'getter that throws': () => ({
    get builtins() {
      return throws();
    },
  }),
};

export default [
  ...cross(Object.entries(mimeTypes), waysBySize(streamingWays)).map(([[kind, type], [way, size]]) => ({
    name: `MIME type ${kind}, ${way.name}, ${size}`,
    run: () => outcome(() => way.from(typed(type)(mainBytes(size))), useResult),
  })),
  ...cross(Object.entries(sources), waysBySize(streamingWays)).map(([[kind, make], [way, size]]) => ({
    name: `source ${kind}, ${way.name}, ${size}`,
    run: () => outcome(() => way.from(make(mainBytes(size))), useResult),
  })),

  ...cross(streamingWays, ['valid', 'invalid', 'wrong type'], sizes).map(([way, kind, size]) => ({
    name: `state of the response before and after, ${kind}, ${way.name}, ${size}`,
    async run() {
      const bytes = kind === 'invalid' ? mainBytes(size).fill(1, 0, 1) : mainBytes(size);
      const response = kind === 'wrong type' ? new Response(bytes) : wasmResponse(bytes);
      const state = () => [response.bodyUsed, response.body.locked];
      const seen = [state()];
      const promise = way.from(response);
      seen.push(state());
      seen.push(await outcome(() => promise, tag));
      seen.push(state());
      seen.push(
        await outcome(
          () => response.arrayBuffer(),
          (buffer) => buffer.byteLength,
        ),
      );
      seen.push(await outcome(() => way.from(response), tag));
      return seen;
    },
  })),
  ...cross(streamingWays, sizes).map(([way, size]) => ({
    name: `which members of a response are used, ${way.name}, ${size}`,
    async run() {
      const log = [];
      const seen = await outcome(() => way.from(watched(mainBytes(size), log)), tag);
      return { ...seen, log };
    },
  })),
  ...cross(streamingWays, sizes).map(([way, size]) => ({
    name: `a stream is pulled once per chunk and not cancelled, ${way.name}, ${size}`,
    async run() {
      const log = [];
      const bytes = mainBytes(size);
      const step = Math.ceil(bytes.length / 4);
      let at = 0;
      const body = new ReadableStream(
        {
          pull(controller) {
            log.push(`pull ${at}`);
            if (at >= bytes.length) return controller.close();
            controller.enqueue(bytes.slice(at, at + step));
            at += step;
          },
          cancel: () => log.push('cancel'),
        },
        { highWaterMark: 0 },
      );
      const seen = await outcome(() => way.from(wasmResponse(body)), tag);
      return { ...seen, log };
    },
  })),
  ...cross(streamingWays, sizes).map(([way, size]) => ({
    name: `an invalid stream that never ends, ${way.name}, ${size}`,
    async run() {
      const log = [];
      let chunks = 0;
      const body = new ReadableStream({
        pull(controller) {
          // Ends after a while, because a host may read on after the error.
          if (chunks++ > 20) controller.close();
          else controller.enqueue(new Uint8Array(64).fill(chunks));
        },
        cancel: () => log.push('cancel'),
      });
      return [await outcome(() => way.from(wasmResponse(body)), tag), log];
    },
  })),
  ...cross(streamingWays, sizes).map(([way, size]) => ({
    name: `chunks changed after they were read, ${way.name}, ${size}`,
    async run() {
      const bytes = mainBytes(size);
      let last;
      let at = 0;
      const body = new ReadableStream(
        {
          pull(controller) {
            last?.fill(0);
            if (at >= bytes.length) return controller.close();
            last = bytes.slice(at, at + 20_000);
            at += 20_000;
            controller.enqueue(last);
          },
        },
        { highWaterMark: 0 },
      );
      return outcome(() => way.from(wasmResponse(body)), useResult);
    },
  })),
  ...cross(streamingWays, sizes).map(([way, size]) => ({
    name: `one response and its clone at once, ${way.name}, ${size}`,
    async run() {
      const response = wasmResponse(mainBytes(size));
      const copy = response.clone();
      const both = await Promise.all([way.from(response), way.from(copy)]);
      return [both[0] === both[1], both.map(useResult)];
    },
  })),
  ...cross(streamingWays, sizes).map(([way, size]) => ({
    name: `many at once, ${way.name}, ${size}`,
    async run() {
      const all = await Promise.all(Array.from({ length: 5 }, () => way.call(mainBytes(size))));
      return [new Set(all).size, all.map((result) => useResult(result).exported ?? useResult(result).instance)];
    },
  })),
  ...cross(streamingWays, Object.entries(optionCases), sizes).map(([way, [kind, make], size]) => ({
    name: `options ${kind} and a rejected source, ${way.name}, ${size}`,
    run: () => outcome(() => way.from(Promise.reject(new Error('no response')), make()), tag),
  })),

  ...cross(['deleted', 'replaced', 'instanceof always false', 'instanceof throws'], streamingWays, sizes).map(
    ([kind, way, size]) => ({
      name: `global Response ${kind}, ${way.name}, ${size}`,
      async run() {
        const response = wasmResponse(mainBytes(size));
        if (kind === 'deleted') remove(globalThis, 'Response');
        if (kind === 'replaced') patch(globalThis, 'Response', { value: class Response {} });
        if (kind === 'instanceof always false') patch(Response, Symbol.hasInstance, { value: () => false });
        if (kind === 'instanceof throws') patch(Response, Symbol.hasInstance, { value: throws });
        const seen = await outcome(() => way.from(response), tag);
        restore();
        return seen;
      },
    }),
  ),
  ...cross(['arrayBuffer', 'text', 'clone', 'blob'], streamingWays, sizes).map(([key, way, size]) => ({
    name: `Response.prototype.${key} patched is not called, ${way.name}, ${size}`,
    async run() {
      const log = [];
      const response = wasmResponse(mainBytes(size));
      const original = Response.prototype[key];
      patch(Response.prototype, key, {
        value(...args) {
          log.push(key);
          return Reflect.apply(original, this, args);
        },
      });
      const seen = await outcome(() => way.from(response), tag);
      return { ...seen, log };
    },
  })),

  ...cross(streamingWays, sizes).map(([way, size]) => ({
    name: `after fetch, ${way.name}, ${size}`,
    run: () =>
      withServer(
        (_, reply) => {
          reply.writeHead(200, { 'content-type': 'application/wasm' });
          const bytes = mainBytes(size);
          reply.write(bytes.subarray(0, 40));
          setTimeout(() => reply.end(bytes.subarray(40)), 5);
        },
        (url) => outcome(() => way.from(fetch(url)), useResult),
      ),
  })),
  ...cross(streamingWays, ['404', 'wrong type', 'connection cut'], ['big']).map(([way, kind, size]) => ({
    name: `after a fetch that fails, ${kind}, ${way.name}, ${size}`,
    run: () =>
      withServer(
        (_, reply) => {
          const type = kind === 'wrong type' ? 'text/plain' : 'application/wasm';
          reply.writeHead(kind === '404' ? 404 : 200, {
            'content-type': type,
            'content-length': mainBytes(size).length,
          });
          reply.write(mainBytes(size).subarray(0, 100));
          if (kind === 'connection cut') setTimeout(() => reply.destroy(), 5);
          else reply.end(mainBytes(size).subarray(100));
        },
        async (url) => {
          const seen = await outcome(() => way.from(fetch(url)));
          return JSON.parse(JSON.stringify(seen).replaceAll(url, '<url>'));
        },
      ),
  })),

  ...cross(
    ['missing', 'wrong kind', 'not an object', 'right'],
    ['response', 'rejected promise', 'invalid bytes', 'wrong type'],
    sizes,
  ).map(([imports, source, size]) => ({
    name: `instantiateStreaming, imports ${imports}, source ${source}, ${size}`,
    async run() {
      const bytes = bytesOf('hosted', size);
      if (source === 'invalid bytes') bytes[0] = 1;
      const response = source === 'wrong type' ? new Response(bytes) : wasmResponse(bytes);
      const given = {
        missing: {},
        'wrong kind': { ...hostedImports(), env: 5 },
        'not an object': 'imports',
        right: hostedImports(),
      };
      const first = source === 'rejected promise' ? Promise.reject(new Error('no response')) : response;
      return outcome(() => WebAssembly.instantiateStreaming(first, given[imports]), tag);
    },
  })),
  ...sizes.map((size) => ({
    name: `a response is not touched in the call itself, ${size}`,
    async run() {
      const log = [];
      const response = watched(mainBytes(size), log);
      const promise = WebAssembly.compileStreaming(response);
      const during = [...log];
      const turns = await microtasksUntilSettled(promise);
      return [during, turns, properties(response).map(show), inspect(promise).includes('Module')];
    },
  })),
];
