// A store that belongs to somebody else's server by now: whatever it sends, a program computes the same, takes a bounded amount of memory,
// and ends when it wants to.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { artifactParts } from '../../dist/artifact/artifact.js';
import { canPack, pack } from '../../dist/artifact/packed.js';
import { transferArtifacts } from '../../dist/bundle/transfer.js';
import { FileSystemCache, ModuleHash } from '../../dist/index.js';
import { crc32 } from '../../dist/native/digest.js';
import { encodeProgramRecord } from '../../dist/stores/program-record.js';
import { MemoryStore } from '../../dist/testing.js';
import { everythingModule, observeEverything } from '../support/everything.js';
import { engineIdOfPrograms } from '../support/learning.js';
import { register, runProgramAsync, temporaryDirectory } from '../support/processes.js';

const SECRET = 'correct-horse-battery-staple';
const RECORD = 'programs/programs_before-hostile-store.mjs.json';
const PROGRAM = 'before-hostile-store.mjs';
const EXPECTED = observeEverything(new WebAssembly.Module(everythingModule(70_000)));
const wanted = String(ModuleHash.sha256(everythingModule(70_000)));
const others = Array.from({ length: 31 }, () => String(ModuleHash.random()));
const keys = [wanted, ...others];
const engineId = engineIdOfPrograms();

/** Milliseconds that the program stays, in which the store can do its worst. */
const STAY = 1500;
/** Megabytes that a store may cost a program, its client and thread included; the attacks below send gigabytes, and cost up to 54. */
const MEMORY = 200;
/** The same for a reader that accepts artifacts of 256 MiB, and has seen a header of one: it cost 328, of which 268 are the artifact. */
const MEMORY_OF_LARGEST = 600;
/** Milliseconds between the end of the program and that of the process. */
const EXIT = 300;
const UNPACKED = 2 ** 28 - 2 ** 20;

interface Ran {
  observed: string[];
  megabytes: number;
  /** Milliseconds from the exit event to the end of the process. */
  exit: number;
}

let plain: Ran;
before(async () => {
  plain = await run({});
});

async function run(env: Record<string, string>, args: string[] = [], command: string[] = []): Promise<Ran> {
  const hooked = env.WASM_CACHE_REMOTE !== undefined;
  const { status, stdout, stderr } = await runProgramAsync(PROGRAM, {
    nodeOptions: [...(hooked ? ['--import', register] : [])],
    args: [`${STAY}`, ...args],
    within: command,
    env: {
      WASM_CACHE_DIR: path.join(temporaryDirectory(), 'cache'),
      ...(env.WASM_CACHE_ALLOW_UNSIGNED ? {} : { WASM_CACHE_SECRET: SECRET }),
      ...env,
    },
  });
  const ended = Date.now();
  assert.deepEqual([status, stderr], [0, ''], stderr);
  const { endedAt, ...rest } = JSON.parse(stdout);
  return { ...rest, exit: ended - endedAt };
}

/** The best of three in time, because the machine may be busy; the memory of all. */
async function assertHarmless(env: Record<string, string>, args: string[] = [], memory = MEMORY): Promise<void> {
  const exits: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    const ran = await run(env, args);
    if (args.length === 0) assert.deepEqual(ran.observed, EXPECTED);
    else
      assert.deepEqual(
        ran.observed,
        args.map(() => 'rejected'),
      );
    const more = ran.megabytes - plain.megabytes;
    console.error('>>', Math.round(more), JSON.stringify(args.length), ran.exit);
    assert.ok(more < memory, `${Math.round(more)} MB more than without a store`);
    exits.push(ran.exit);
    if (ran.exit < EXIT) return;
  }
  assert.fail(`the exits took ${exits.join(', ')} ms`);
}

/** A web server that lets `answer` answer; the record is in order unless `answer` takes it, too. */
async function serve(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  record: 'honest' | 'hostile' = 'honest',
): Promise<string> {
  const server = createServer((request, response) => {
    response.on('error', () => {});
    if (record === 'honest' && request.url?.endsWith('.json')) response.end(encodeProgramRecord(keys));
    else answer(response, request);
  });
  return listening(server);
}

async function listening(server: net.Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Sends for ever, as fast as it is taken. */
function flood(stream: {
  write(chunk: Buffer): boolean;
  destroyed: boolean;
  on(event: 'drain', go: () => void): unknown;
}) {
  const chunk = Buffer.alloc(2 ** 20, 'x');
  const go = () => {
    while (!stream.destroyed && stream.write(chunk));
  };
  stream.on('drain', go);
  go();
}

/** What unpacks to 256 MiB under the name of any module: the header is patched for each, as its checksums allow. */
async function bombs(): Promise<(key: string) => Buffer> {
  const nativeCode = new Uint8Array(UNPACKED);
  const fields = {
    engineId,
    coverage: 'hot',
    generation: 0,
    final: false,
    hasLearnerCode: false,
    optimisedFor: 0,
    observedFor: 0,
    missing: 0,
    bypassedUntil: 0,
    wireLength: 70_000,
  } as const;
  const artifact = { ...fields, key: ModuleHash.parseHex(wanted), nativeCode, wireBytes: undefined };
  const bomb = Buffer.from(await pack(artifactParts(artifact), undefined));
  const at = 48;
  return (key) => {
    const bytes = Buffer.from(bomb);
    bytes.write(key, at + 48, 'hex');
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 308)), at + 308);
    bytes.writeUInt32LE(crc32(bytes.subarray(16)), 12);
    return bytes;
  };
}

const keyOf = ({ url = '' }: IncomingMessage) => path.posix.basename(url, '.artifact');

describe('a hostile web server', () => {
  const attacks: Record<string, Parameters<typeof serve>> = {
    'floods without a length': [(response) => flood(response)],
    'floods with a length that it does not have': [
      (response) => flood(response.writeHead(200, { 'content-length': 10 ** 12 })),
    ],
    'floods the record, too': [(response) => flood(response), 'hostile'],
    'says of every value that it has 255 MB, and sends nothing': [
      (response) => void response.writeHead(200, { 'content-length': 255_000_000 }).write('x'),
    ],
    'floods with errors': [(response) => flood(response.writeHead(500))],
    'sends headers without end': [(_, { socket }) => flood(socket)],
    'sends a byte now and then': [
      (response) => {
        response.writeHead(200, { 'content-length': 1000 });
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
      },
    ],
    'redirects for ever': [(response, { url }) => void response.writeHead(302, { location: `${url}x` }).end()],
    'has a record of 36 MB': [
      (response, { url }) =>
        void (url?.endsWith('.json')
          ? response.end(Buffer.concat([encodeProgramRecord(keys), Buffer.alloc(36_000_000, ' ')]))
          : response.writeHead(404).end()),
      'hostile',
    ],
  };
  for (const [what, attack] of Object.entries(attacks)) {
    it(`that ${what}`, async () => {
      await assertHarmless({ WASM_CACHE_REMOTE: `http://${await serve(...attack)}/` });
    });
  }

  it('that redirects to another server, which then sees nothing of the program', async () => {
    const seen: IncomingMessage['headers'][] = [];
    const elsewhere = await serve((response, { headers }) => {
      seen.push(headers);
      flood(response);
    }, 'hostile');
    const url = await serve((response, request) => {
      response.writeHead(302, { location: `http://${elsewhere}${request.url}` }).end();
    }, 'hostile');
    await assertHarmless({ WASM_CACHE_REMOTE: `http://${url}/`, WASM_CACHE_REMOTE_TOKEN: 'the-token' });
    assert.ok(seen.length > 0);
    assert.ok(seen.every(({ authorization, cookie }) => authorization === undefined && cookie === undefined));
  });

  describe('with artifacts that unpack to 256 MiB each', {
    skip: canPack() ? false : 'no Zstandard in this Node',
  }, () => {
    let url: string;
    before(async () => {
      const bombOf = await bombs();
      url = `http://${await serve((response, request) => response.end(bombOf(keyOf(request))))}/`;
    });

    it('whose signature is missing', () => assertHarmless({ WASM_CACHE_REMOTE: url }));
    it('where no signature is asked for', () =>
      assertHarmless({ WASM_CACHE_REMOTE: url, WASM_CACHE_ALLOW_UNSIGNED: '1' }));
    it('before a RemoteCache that asks for signatures', () =>
      assertHarmless({ HOSTILE_STORE: url, HOSTILE_SECRET: SECRET }, keys));
  });

  it('that floods a RemoteCache', async () => {
    const url = await serve((response) => flood(response));
    await assertHarmless({ HOSTILE_STORE: `http://${url}/`, HOSTILE_SECRET: SECRET }, keys);
  });

  it('that floods behind a header which is in order', {
    skip: canPack() ? false : 'no Zstandard in this Node',
  }, async () => {
    const bombOf = await bombs();
    const url = await serve((response, request) => {
      response.write(bombOf(keyOf(request)).subarray(0, 1000));
      flood(response);
    });
    await assertHarmless({ WASM_CACHE_REMOTE: `http://${url}/` });
    await assertHarmless({ HOSTILE_STORE: `http://${url}/`, HOSTILE_SECRET: SECRET }, keys, MEMORY_OF_LARGEST);
  });
});

describe('a hostile Redis', () => {
  /** Answers the first commands of a client, then each further packet as it likes. */
  const redis = (answer: (socket: Socket) => void) =>
    listening(net.createServer((socket) => void socket.on('data', () => answer(socket))));

  for (const [what, attack] of Object.entries({
    'sends a value without end': (socket: Socket) => {
      socket.write('$999999999999\r\n');
      flood(socket);
    },
    'sends text without end': (socket: Socket) => {
      socket.write('+');
      flood(socket);
    },
    'sends lists in lists without end': (socket: Socket) => {
      const nested = Buffer.from('*1\r\n'.repeat(2 ** 18));
      const go = () => {
        while (!socket.destroyed && socket.write(nested));
      };
      socket.on('drain', go);
      go();
    },
    'never answers': () => {},
  })) {
    it(`that ${what}`, async () => {
      const address = await redis(attack);
      await assertHarmless({ WASM_CACHE_REMOTE: `redis://${address}` });
    });
  }

  it('that floods a RemoteCache', async () => {
    const url = `redis://${await redis((socket) => flood(socket))}`;
    await assertHarmless({ HOSTILE_STORE: url, HOSTILE_SECRET: SECRET }, keys);
  });
});

it('a hostile S3', async () => {
  const address = await serve((response) => flood(response), 'hostile');
  const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
  await assertHarmless({ WASM_CACHE_REMOTE: `s3://bucket/prefix?endpoint=http://${address}`, ...env });
});

it('a hostile folder, with files of 3 GB', async () => {
  const directory = temporaryDirectory();
  const make = (name: string, bytes: Uint8Array, size: number) => {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    truncateSync(file, size);
  };
  make(RECORD, encodeProgramRecord(keys), encodeProgramRecord(keys).length);
  for (const key of keys) make(`${engineId}/${key}.artifact`, Buffer.from('x'), 3e9);
  await assertHarmless({ WASM_CACHE_REMOTE: pathToFileURL(directory).href });
  make(RECORD, encodeProgramRecord(keys), 3e9);
  await assertHarmless({ WASM_CACHE_REMOTE: pathToFileURL(directory).href });
});

it('a store that lists names without end fills no memory', async () => {
  class Endless extends MemoryStore {
    override async *list() {
      for (;;) yield `${engineId}/${wanted}.artifact`;
    }
  }
  const into = new FileSystemCache(path.join(temporaryDirectory(), 'cache'));
  await assert.rejects(
    transferArtifacts({ from: new Endless(), into, allowUnsigned: true }),
    /more than \d+ artifacts/,
  );
});

describe('a name server that is silent', () => {
  const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;

  it('delays no exit', { skip: canMount ? false : 'needs a namespace of its own for /etc/resolv.conf' }, async () => {
    const silent = dgram.createSocket('udp4');
    silent.bind(53, '127.77.0.1');
    await once(silent, 'listening');
    after(() => silent.close());
    const file = path.join(temporaryDirectory(), 'resolv.conf');
    writeFileSync(file, 'nameserver 127.77.0.1\n');
    const script = `mount --bind ${file} /etc/resolv.conf && exec "$@"`;
    const command = ['unshare', '--mount', 'sh', '-c', script, 'sh'];
    for (const url of ['http://cache.example/', 'redis://cache.example', 's3://bucket?endpoint=http://cache.example']) {
      const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
      const { observed, exit } = await run({ WASM_CACHE_REMOTE: url, ...env }, [], command);
      assert.deepEqual(observed, EXPECTED);
      assert.ok(exit < EXIT, `${url}: the exit took ${exit} ms`);
    }
  });
});
