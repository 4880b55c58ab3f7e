import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { root } from './processes.js';

/** The answer for one path of a {@link Site}. */
export type Resource = { type: string; body: string | Uint8Array; headers?: Record<string, string> };

const PAGE = `<!doctype html><title>test</title>
<script type="importmap">{ "imports": { "wasm-module-cache/browser": "/dist/browser.js" } }</script>
<script type="module">import * as library from 'wasm-module-cache/browser'; globalThis.library = library;</script>`;

/** A web server on this machine, with a page whose import map has the package, and the files of a test. */
export class Site {
  readonly resources = new Map<string, Resource | ((response: ServerResponse) => void)>();
  /** The paths that were requested, in order. */
  readonly requests: string[] = [];
  readonly #server = createServer(({ url = '' }, response) => {
    this.requests.push(url);
    const resource = this.resources.get(url);
    if (typeof resource === 'function') return resource(response);
    if (!resource) return response.writeHead(404).end();
    const { type, body, headers } = resource;
    response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body), ...headers }).end(body);
  });

  constructor() {
    this.resources.set('/', { type: 'text/html', body: PAGE });
    const library = readFileSync(path.join(root, 'dist/browser.js'));
    this.resources.set('/dist/browser.js', { type: 'text/javascript', body: library });
  }

  /** Adds a module. */
  module(place: string, body: Uint8Array, headers: Record<string, string> = {}): void {
    this.resources.set(place, { type: 'application/wasm', body, headers });
  }

  script(place: string, body: string): void {
    this.resources.set(place, { type: 'text/javascript', body });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Its address, which browsers treat as a secure context. */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** How often a path was requested. */
  count(place: string): number {
    return this.requests.filter((each) => each === place).length;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
