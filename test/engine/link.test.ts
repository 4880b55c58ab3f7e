import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Link } from '../../dist/engine/link.js';
import { runProgramAsync } from '../support/processes.js';
import { freePort } from '../support/servers.js';

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => onSocket(socket.on('error', () => {})));
  after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  server.unref();
  return (server.address() as { port: number }).port;
}

/** All that comes until the end, and what was said of that. */
async function readAll(link: Link): Promise<{ bytes: Buffer; end: string }> {
  const chunks: Buffer[] = [];
  for (;;) {
    try {
      const chunk = link.read(0);
      if (chunk) chunks.push(chunk);
      else await setTimeout(1);
    } catch (error) {
      return { bytes: Buffer.concat(chunks), end: (error as Error).message };
    }
  }
}

describe('Link', () => {
  it('sends what it is given, before and after there is a connection, and reads what comes until the end', async () => {
    const port = await listen((socket) => {
      let got = '';
      socket.on('data', (chunk) => {
        got += chunk;
        if (got.length === 10) socket.end(got.toUpperCase());
      });
    });
    const link = new Link('127.0.0.1', port, Buffer.from('first'));
    link.send(Buffer.from('-'));
    await setTimeout(50);
    link.send(Buffer.from('last'));
    const { bytes, end } = await readAll(link);
    assert.equal(bytes.toString(), 'FIRST-LAST');
    assert.equal(end, 'the server closed the connection');
    assert.throws(() => link.read(0), /the server closed the connection/);
  });

  it('waits without an event loop, and no longer than it may', async () => {
    const source = `
      const { createServer } = require('node:net');
      createServer((socket) => socket.once('data', () => setTimeout(() => socket.write('late'), 100)))
        .listen(0, '127.0.0.1', function () { require('node:worker_threads').parentPort.postMessage(this.address().port); });`;
    const worker = new Worker(source, { eval: true });
    const [port] = (await once(worker, 'message')) as [number];
    const link = new Link('127.0.0.1', port, Buffer.from('?'));
    const start = performance.now();
    assert.equal(link.read(20), undefined);
    assert.ok(performance.now() - start >= 19);
    assert.equal(link.read(20_000)?.toString(), 'late');
    assert.ok(performance.now() - start < 10_000);
    link.close();
    await worker.terminate();
  });

  it('takes more than it keeps, as it is read', async () => {
    const piece = Buffer.alloc(2 ** 20, 'x');
    const port = await listen((socket) => {
      let left = 100;
      const more = () => {
        while (left > 0) {
          left--;
          if (socket.write(piece)) continue;
          socket.once('drain', more);
          return;
        }
        socket.end();
      };
      more();
    });
    const link = new Link('127.0.0.1', port, new Uint8Array(0));
    await setTimeout(300); // the reader is slow
    const { bytes } = await readAll(link);
    assert.equal(bytes.length, 100 * 2 ** 20);
    assert.ok(bytes.subarray(-5).every((byte) => byte === 120));
  });

  it('says why there is no connection', async () => {
    const { bytes, end } = await readAll(new Link('127.0.0.1', await freePort(), Buffer.from('x')));
    assert.equal(bytes.length, 0);
    assert.match(end, /refused/i);
    const unknown = await readAll(new Link('nowhere.invalid', 80, Buffer.from('x')));
    assert.notEqual(unknown.end, '');
  });

  it('tells the server when it is closed', async () => {
    let ends = 0;
    const port = await listen((socket) => socket.resume().on('end', () => ends++));
    const link = new Link('127.0.0.1', port, Buffer.from('x'));
    await setTimeout(50);
    link.close();
    while (ends < 1) await setTimeout(1);
    assert.equal((await readAll(link)).end, 'the server closed the connection');
  });

  it('does not keep a process or a thread that ends', async () => {
    const port = await listen(() => {}); // says nothing
    const start = performance.now();
    const { status, stdout } = await runProgramAsync('links.mjs', { args: [String(port)] });
    assert.equal(status, 0);
    assert.equal(stdout, 'ended\n');
    assert.ok(performance.now() - start < 20_000);
  });
});
