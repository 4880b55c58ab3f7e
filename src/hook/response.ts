// Captured: programs patch these objects.
const { getOwnPropertyDescriptor } = Object;
const { apply } = Reflect;

/** The body of a Response, or the part of it that came before it failed. */
export interface Received {
  url: string;
  /** Copies, because the program that made the body may reuse its memory. */
  chunks: unknown[];
  /** The whole body in one piece, when it consists of bytes. */
  wireBytes: Uint8Array | undefined;
  failure: { error: unknown } | undefined;
}

/** Reads the body of a Response that V8 would compile. `undefined` for all that plain Node refuses; nothing is read then. */
export async function receive(source: unknown): Promise<Received | undefined> {
  const Response = responseClass();
  if (!Response || !(source instanceof Response)) return undefined;
  // In the order in which Node reads them, because they may be getters of the program.
  const type = source.headers.get('Content-Type');
  const { ok, bodyUsed, url, body } = source;
  if (type !== 'application/wasm' || !ok || bodyUsed || body === null || body.locked) return undefined;

  const received: Received = { url, chunks: [], wireBytes: undefined, failure: undefined };
  try {
    for await (const chunk of body as unknown as AsyncIterable<unknown>) {
      const copy = copyOf(chunk);
      received.chunks.push(copy ?? chunk);
      if (!copy) return received; // V8 is about to refuse it, and to cancel the rest.
    }
  } catch (error) {
    received.failure = { error };
    return received;
  }
  const chunks = received.chunks as Uint8Array[];
  received.wireBytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  return received;
}

/** A Response with the same chunks, and the same failure, as the one that was received. */
export function replay({ url, chunks, failure }: Received): Response {
  const remaining = chunks.values();
  const body = new ReadableStream({
    pull(controller) {
      const { done, value } = remaining.next();
      if (!done) controller.enqueue(value);
      else if (failure) controller.error(failure.error);
      else controller.close();
    },
  });
  const Response = responseClass() as typeof globalThis.Response;
  const response = new Response(body, { headers: { 'content-type': 'application/wasm' } });
  // Stack traces name the module by it.
  Object.defineProperty(response, 'url', { value: url });
  return response;
}

/** Not captured at start-up: Node loads it when it is first mentioned, which takes longer than the hook may. */
function responseClass(): typeof globalThis.Response | undefined {
  const { get, value } = getOwnPropertyDescriptor(globalThis, 'Response') ?? {};
  const found = get ? apply(get, globalThis, []) : value;
  return typeof found === 'function' ? found : undefined;
}

function copyOf(chunk: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice();
  return chunk instanceof ArrayBuffer ? new Uint8Array(chunk.slice(0)) : undefined;
}
