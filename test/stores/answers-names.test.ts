import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import { after, it } from 'node:test';
import { assertNamesAreAnswered } from '../../dist/stores/answers-names.js';

const sockets: dgram.Socket[] = [];
after(() => {
  for (const socket of sockets) socket.close();
});

/** A name server that answers every question with this code of DNS, or not at all. */
async function nameServer(code: number | undefined) {
  const socket = dgram.createSocket('udp4');
  sockets.push(socket);
  socket.on('message', (question, { port, address }) => {
    if (code === undefined) return;
    const answer = Buffer.from(question);
    answer[2] = 0x81;
    answer[3] = 0x80 | code;
    socket.send(answer, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  return resolverOf(`127.0.0.1:${port}`);
}

const resolverOf = (server: string) => () => {
  const resolver = new dns.promises.Resolver({ timeout: 300, tries: 1 });
  resolver.setServers([server]);
  return resolver;
};

for (const host of ['127.0.0.1', '::1', 'localhost', '']) {
  it(`asks nobody for ${JSON.stringify(host)}`, async () => {
    await assertNamesAreAnswered(host, resolverOf('127.0.0.1:1'));
  });
}

for (const [what, code] of [
  ['knows no such name', 3],
  ['fails', 2],
  ['refuses', 5],
] as const) {
  it(`is content with a name server that ${what}: the system may know more`, async () => {
    await assertNamesAreAnswered('cache.internal', await nameServer(code));
  });
}

it('one that does not answer is an error, soon', async () => {
  const silent = await nameServer(undefined);
  const start = performance.now();
  await assert.rejects(assertNamesAreAnswered('cache.internal', silent), /no name server answers for cache.internal/);
  assert.ok(performance.now() - start < 8000);
  const refusing = resolverOf('127.0.0.1:1');
  await assert.rejects(assertNamesAreAnswered('cache.internal', refusing), /no name server answers for cache.internal/);
});
