import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { makeLookup } from '../../dist/stores/name-look-up.js';

const sockets: dgram.Socket[] = [];
after(() => {
  for (const socket of sockets) socket.close();
});

const A = 1;
const AAAA = 28;
/** A code of DNS, the bytes of an address, or silence. */
type DnsAnswer = number | number[] | undefined;

/** A name server, and a resolver that asks it. */
async function resolver(answerOf: (name: string, type: number) => DnsAnswer, timeout = 300) {
  const asked: string[] = [];
  const socket = dgram.createSocket('udp4');
  sockets.push(socket);
  socket.on('message', (question, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at] as number; length > 0; length = question[at] as number) {
      labels.push(question.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = question.readUInt16BE(at + 1);
    const found = answerOf(labels.join('.'), type);
    if (type === A) asked.push(labels.join('.'));
    if (found === undefined) return;
    const [code, bytes] = typeof found === 'number' ? [found, []] : [0, found];
    const answer = Buffer.from(question.subarray(0, at + 5)); // without what the question adds for itself
    answer.set([0x81, 0x80 | code, 0, 1, 0, bytes.length > 0 ? 1 : 0, 0, 0, 0, 0], 2);
    const record = bytes.length > 0 ? [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, bytes.length, ...bytes] : [];
    socket.send(Buffer.concat([answer, Buffer.from(record)]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const made = new dns.promises.Resolver({ timeout, tries: 1 });
  made.setServers([`127.0.0.1:${socket.address().port}`]);
  return { resolver: made, asked };
}

const NOWHERE = { resolve4: notAsked, resolve6: notAsked };
async function notAsked(): Promise<never> {
  throw new Error('a name server was asked');
}

function lookUp(
  name: string,
  services: Partial<Parameters<typeof makeLookup>[0] & object>,
  options: dns.LookupOptions = { all: true },
) {
  const lookup = makeLookup({ resolver: NOWHERE as never, hosts: () => '', configuration: () => '', ...services });
  return new Promise<unknown>((resolve, reject) => {
    lookup(name, options, (error, ...found) => (error ? reject(error) : resolve(options.all ? found[0] : found)));
  });
}

const V4 = { address: '192.0.2.1', family: 4 };
const V6 = { address: '2001:db8::1', family: 6 };
const V6_BYTES = [0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 1];
const both = (_: string, type: number) => (type === A ? [192, 0, 2, 1] : V6_BYTES);

describe('the look-up of names', () => {
  const hosts = () =>
    '127.0.0.1 localhost\n# 192.0.2.9 cache\n192.0.2.1  Other cache # ours\n2001:db8::1 cache\nnonsense cache\n';

  it('asks nobody for an address, a name of the table of hosts, or this machine', async () => {
    assert.deepEqual(await lookUp('192.0.2.1', {}), [V4]);
    assert.deepEqual(await lookUp('CACHE', { hosts }), [V4, V6]);
    assert.deepEqual(await lookUp('localhost', {}), [{ address: '127.0.0.1', family: 4 }]);
  });

  it('gives what is asked for: all addresses, one, or one of a family', async () => {
    for (const [options, expected] of [
      [{}, ['192.0.2.1', 4]],
      [{ family: 6 }, ['2001:db8::1', 6]],
      [{ family: 'IPv6' }, ['2001:db8::1', 6]],
      [{ family: 0, all: false }, ['192.0.2.1', 4]],
      [{ family: 4, all: true }, [V4]],
    ] as const) {
      assert.deepEqual(await lookUp('cache', { hosts }, options), expected);
    }
  });

  it('asks the name servers, IPv4 first', async () => {
    assert.deepEqual(await lookUp('cache.internal', await resolver(both)), [V4, V6]);
    const only6 = await resolver((_, type) => (type === AAAA ? V6_BYTES : 0));
    assert.deepEqual(await lookUp('cache.internal', only6), [V6]);
  });

  it('does not wait for IPv6 where there is IPv4', async () => {
    const services = await resolver((_, type) => (type === A ? [192, 0, 2, 1] : undefined), 5000);
    const start = performance.now();
    assert.deepEqual(await lookUp('cache.internal', services), [V4]);
    assert.ok(performance.now() - start < 4000, 'it would for 5 s');
  });

  it('tries the search domains, before or after the name itself', async () => {
    const configuration = () => 'nameserver 192.0.2.53\nsearch svc.local local\noptions timeout:1 ndots:2\n';
    const services = {
      ...(await resolver((name, type) => (name === 'cache.local' ? both(name, type) : 3))),
      configuration,
    };
    assert.deepEqual(await lookUp('cache', services), [V4, V6]);
    assert.deepEqual(services.asked, ['cache.svc.local', 'cache.local']);
    services.asked.length = 0;
    await assert.rejects(lookUp('a.b.c', services), { code: 'ENOTFOUND' });
    assert.deepEqual(services.asked, ['a.b.c', 'a.b.c.svc.local', 'a.b.c.local']);
    services.asked.length = 0;
    await assert.rejects(lookUp('cache.', services), { code: 'ENOTFOUND' });
    assert.deepEqual(services.asked, ['cache']);
  });

  for (const [what, code] of [
    ['knows no such name', 3],
    ['fails', 2],
    ['refuses', 5],
  ] as const) {
    it(`says that there is no such name when the name server ${what}`, async () => {
      await assert.rejects(lookUp('cache.internal', await resolver(() => code)), { code: 'ENOTFOUND' });
    });
  }

  it('fails soon when the name server is silent', async () => {
    const start = performance.now();
    await assert.rejects(lookUp('cache.internal', await resolver(() => undefined)), { code: 'ETIMEOUT' });
    assert.ok(performance.now() - start < 8000);
  });

  it('is taken by clients that take the look-up of dns', async () => {
    const server = createServer((_, response) => response.end('found')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const services = { resolver: NOWHERE as never, hosts: () => '127.0.0.1 cache.internal', configuration: () => '' };
    const [response] = await once(get({ host: 'cache.internal', port, lookup: makeLookup(services) }), 'response');
    assert.equal(response.statusCode, 200);
    response.resume();
    server.close();
  });
});
