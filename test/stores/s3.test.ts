import assert from 'node:assert/strict';
import dns from 'node:dns';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { describe, it, mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { type S3Credentials, S3Store, type S3StoreOptions } from '../../dist/stores/s3.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { artifactStoreContract } from '../../dist/testing.js';
import { bodyOf, serve, serveRaw, within } from '../support/faulty-servers.js';
import { runProgramAsync, temporaryDirectory } from '../support/processes.js';
import { cephMissing, startCeph } from '../support/servers.js';

for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];

const credentials = { accessKeyId: 'AKID', secretAccessKey: 'SECRET' };
const bucket = 'artifacts';
const skip = cephMissing();
/** A separate folder for each test. */
let folders = 0;

if (skip) it('S3Store over Ceph', { skip });
else {
  const server = await startCeph();
  const storeWith = (options: Partial<S3StoreOptions> = {}) => {
    const { url: endpoint, bucket, credentials } = server;
    return new S3Store({ endpoint, bucket, credentials, prefix: `folder+${folders++}/deep`, ...options });
  };
  artifactStoreContract('S3Store over Ceph', () => storeWith());
  artifactStoreContract('S3Store over Ceph, with conditions', () =>
    storeWith({ isConditional: true, unquotedIfMatch: true }),
  );

  it('lists more than a page', async () => {
    const store = storeWith();
    const names = Array.from({ length: 1005 }, (_, index) => `n/${index}`);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => store.put(name, Buffer.from('x'))));
    }
    const listed: string[] = [];
    for await (const name of store.list('n/')) listed.push(name);
    assert.deepEqual(listed.sort(), names.sort());
    await store.close();
  });

  it('names the request that was refused to wrong credentials, and why', async () => {
    for (const [wrong, code, why] of [
      [{ accessKeyId: 'nobody' }, 'InvalidAccessKeyId', 'the server does not know this access key'],
      [{ secretAccessKey: 'guessed' }, 'SignatureDoesNotMatch', 'the secret access key is wrong'],
    ] as const) {
      await using(storeWith({ prefix: 'p', credentials: { ...server.credentials, ...wrong } }), async (store) => {
        const where = `${server.url}${server.bucket}/p/a (s3://${server.bucket}/p at ${server.url.slice(0, -1)})`;
        const refused = (method: string) => ({ message: `${method} ${where}: 403 ${code}: ${why}` });
        await assert.rejects(store.get('a'), ofKind('Other'));
        await assert.rejects(store.get('a'), refused('GET'));
        await assert.rejects(store.put('a', Buffer.alloc(5_000_000)), refused('PUT'));
        await assert.rejects(store.delete('a'), refused('DELETE'));
        await assert.rejects(store.has('a'), { message: `HEAD ${where}: 403 Forbidden` }); // S3 gives no reason
        await assert.rejects(store.list('').next(), /403/);
      });
    }
  });

  it('says that there is no such bucket', () =>
    using(storeWith({ bucket: 'missing' }), async (store) => {
      const message = /: 404 NoSuchBucket: there is no such bucket$/;
      await assert.rejects(store.get('a'), message);
      await assert.rejects(store.put('a', Buffer.alloc(1)), message);
      await assert.rejects(store.put('a', Buffer.alloc(1), { ifVersion: null }), message);
      await assert.rejects(store.list('').next(), message);
      assert.equal(await store.has('a'), false, 'S3 does not say');
    }));

  it('says that a clock is wrong', () =>
    using(storeWith(), async (store) => {
      mock.timers.enable({ apis: ['Date'], now: Date.now() - 3_600_000 });
      try {
        const message =
          /: 403 RequestTimeTooSkewed: the clocks of this machine and of the server differ by (59|60|61) minutes$/;
        await assert.rejects(store.get('a'), message);
        await assert.rejects(store.put('a', Buffer.alloc(1)), message);
        await assert.rejects(store.has('a'), /: 403 Forbidden: the clocks of this machine/);
      } finally {
        mock.timers.reset();
      }
      assert.equal(await store.get('a'), undefined);
    }));

  it('does not store bytes that were damaged on the way', () =>
    using(storeWith(), async (store) => {
      const bytes = Buffer.alloc(3_000_000);
      const put = store.put('a', bytes);
      setImmediate(() => bytes.fill(1)); // between hashing and sending
      await assert.rejects(put, /: 400 (XAmzContentSHA256Mismatch|BadDigest)/);
      assert.equal(await store.get('a'), undefined);
    }));

  it('gives up at the signal if the server is stopped, and works again after it', async () => {
    const store = storeWith();
    await store.put('a', Buffer.alloc(3_000_000, 1));
    server.process.kill('SIGSTOP');
    for (const ask of [
      (signal: AbortSignal) => store.get('a', { signal }),
      (signal: AbortSignal) => store.has('a', { signal }),
      (signal: AbortSignal) => store.put('b', Buffer.alloc(20_000_000), { signal }),
      (signal: AbortSignal) => store.delete('a', { signal }),
      (signal: AbortSignal) => store.list('', { signal }).next(),
    ]) {
      await within(300, assert.rejects(ask(AbortSignal.timeout(100)), { name: 'TimeoutError' }));
    }
    server.process.kill('SIGCONT');
    assert.equal(await store.get('b'), undefined, 'what was cut off is not there');
    server.process.kill('SIGSTOP');
    const asked = Promise.allSettled([store.get('a'), store.put('b', Buffer.alloc(20_000_000))]);
    await sleep(200);
    server.process.kill('SIGKILL');
    for (const { status } of await asked) assert.equal(status, 'rejected');
    await within(100, assert.rejects(store.get('a'), /ECONNREFUSED/));
    await store.close();
  });
}

describe('S3Store understands what AWS answers:', () => {
  /** A store over a server that always gives this answer. */
  const over = async (
    answer: { status: number; code?: string; headers?: Record<string, string>; body?: string },
    options: Partial<S3StoreOptions> = {},
  ) => {
    const {
      status,
      code,
      headers = {},
      body = code && `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`,
    } = answer;
    const endpoint = await serve((request, response) => {
      request.resume();
      response.writeHead(status, headers).end(body);
    });
    return new S3Store({ endpoint, bucket, credentials, isConditional: true, ...options });
  };
  const version = '"an etag"';

  it('conditions that were not met', async () => {
    for (const answer of [
      { status: 412, code: 'PreconditionFailed' },
      { status: 409, code: 'ConditionalRequestConflict' },
      { status: 404, code: 'NoSuchKey' },
    ]) {
      await using(await over(answer), async (store) => {
        assert.equal(await store.put('a', Buffer.alloc(1), { ifVersion: version }), false);
        await assert.rejects(store.put('a', Buffer.alloc(1)), ofKind('Other'));
      });
      await using(await over(answer, { isConditional: false }), (store) =>
        assert.rejects(store.put('a', Buffer.alloc(1), { ifVersion: version }), ofKind('Other')),
      );
    }
  });

  for (const [status, code, message] of [
    [503, 'SlowDown', /: 503 SlowDown: too many requests$/],
    [500, 'InternalError', /: 500 InternalError$/],
    [501, 'NotImplemented', /: 501 NotImplemented: a server without conditional writes needs isConditional: false$/],
    [409, 'OperationAborted', /: 409 OperationAborted$/],
    [400, 'ExpiredToken', /: 400 ExpiredToken: the session token has expired$/],
    [403, 'AccessDenied', /: 403 AccessDenied$/],
    [403, 'RequestTimeTooSkewed', /: 403 RequestTimeTooSkewed: the clocks of this machine and of the server differ$/],
    [404, 'NoSuchBucket', /: 404 NoSuchBucket: there is no such bucket$/],
    [502, undefined, /: 502 Bad Gateway$/],
  ] as const) {
    it(`${status} ${code}`, async () => {
      await using(await over({ status, ...(code && { code }) }), async (store) => {
        await assert.rejects(store.put('a', Buffer.alloc(1), { ifVersion: version }), message);
        await assert.rejects(store.get('a'), new RegExp(`: ${status} ${code ?? ''}`));
        await assert.rejects(store.delete('a'), new RegExp(`: ${status} ${code ?? ''}`));
      });
    });
  }

  it('403 for a missing object, without s3:ListBucket', async () =>
    using(await over({ status: 403, code: 'AccessDenied' }), (store) =>
      assert.rejects(store.get('a'), /: 403 AccessDenied: .* unless s3:ListBucket is granted$/),
    ));

  it('the region of a bucket, and follows no redirect', async () => {
    const headers = { 'x-amz-bucket-region': 'eu-west-1', location: '/elsewhere' };
    for (const status of [301, 307, 400]) {
      await using(await over({ status, headers, code: 'PermanentRedirect' }), (store) =>
        assert.rejects(store.get('a'), /PermanentRedirect: the bucket is in the region eu-west-1, not us-east-1$/),
      );
    }
  });

  it('a list with foreign names', async () => {
    const keys = ['p/a', 'p/a&amp;b', 'p/&#x61;&#98;', 'p/', 'p/folder/', 'other/x', 'p/a b', 'p/../x'];
    const body = `<ListBucketResult>${keys.map((key) => `<Contents><Key>${key}</Key></Contents>`)}</ListBucketResult>`;
    await using(await over({ status: 200, body }, { prefix: 'p' }), async (store) => {
      const listed: string[] = [];
      for await (const name of store.list('')) listed.push(name);
      assert.deepEqual(listed, ['a', 'ab']);
    });
    await using(await over({ status: 200, body: '<html>' }), (store) =>
      assert.rejects(store.list('').next(), /: 200 OK$/),
    );
  });
});

describe('S3Store asks', () => {
  const asked = async (
    options: Partial<S3StoreOptions>,
    use = (store: S3Store): Promise<unknown> => store.get('a+b/c'),
  ) => {
    const seen: Pick<IncomingMessage, 'url' | 'headers'>[] = [];
    const endpoint = await serve(async (request, response) => {
      await bodyOf(request);
      seen.push(request);
      response.writeHead(200, { etag: '"1"' }).end('x');
    });
    const store = new S3Store({ bucket, credentials, endpoint, ...options });
    await using(store, use);
    return seen;
  };

  it('for keys below the prefix, with the bucket in the path', async () => {
    assert.equal((await asked({}))[0]?.url, '/artifacts/a%2Bb/c');
    assert.equal((await asked({ prefix: 'p+q/r/' }))[0]?.url, '/artifacts/p%2Bq/r/a%2Bb/c');
  });

  it('with the bucket in the name of the host', async () => {
    let host: string | undefined;
    const url = await serve((request, response) => {
      host = request.headers.host;
      response.end(request.url);
    });
    const { port } = new URL(url);
    const lookup = mock.method(dns, 'lookup', (_: string, __: unknown, callback: (...args: unknown[]) => void) =>
      process.nextTick(callback, null, [{ address: '127.0.0.1', family: 4 }]),
    );
    try {
      const options = { bucket, credentials, endpoint: `http://s3.example:${port}`, forcePathStyle: false };
      await using(new S3Store(options), async (store) => {
        assert.equal(Buffer.from((await store.get('a'))?.bytes ?? []).toString(), '/a');
      });
      assert.equal(host, `artifacts.s3.example:${port}`);
      lookup.mock.resetCalls();
      for (const [options, hostname] of [
        [{ bucket, region: 'eu-central-1' }, 'artifacts.s3.eu-central-1.amazonaws.com'],
        [{ bucket, region: 'cn-north-1' }, 'artifacts.s3.cn-north-1.amazonaws.com.cn'],
        [{ bucket: 'with.dots', region: 'us-west-2' }, 's3.us-west-2.amazonaws.com'],
      ] as const) {
        // Nothing listens there; only the request matters.
        await using(new S3Store({ ...options, credentials }), (store) => assert.rejects(store.get('a')));
        assert.equal(lookup.mock.calls.at(-1)?.arguments[0], hostname);
      }
    } finally {
      lookup.mock.restore();
    }
  });

  it('with a signature of the contents, the condition and the token', async () => {
    const options = { isConditional: true, credentials: { ...credentials, sessionToken: 'TOKEN' } };
    const put = (ifVersion: string | null) => (store: S3Store) => store.put('a', Buffer.from('x'), { ifVersion });
    const headersOf = async (...args: Parameters<typeof asked>) => (await asked(...args))[0]?.headers ?? {};
    const headers = await headersOf(options, put('"1"'));
    assert.equal(headers['x-amz-content-sha256'], '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881');
    assert.equal(headers['x-amz-security-token'], 'TOKEN');
    assert.equal(headers['if-match'], '"1"');
    assert.match(
      headers.authorization ?? '',
      /SignedHeaders=content-type;host;if-match;x-amz-content-sha256;x-amz-date;x-amz-security-token,/,
    );
    assert.equal((await headersOf(options, put(null)))['if-none-match'], '*');
    assert.equal((await headersOf({ ...options, unquotedIfMatch: true }, put('"1"')))['if-match'], '1');
    const without = await headersOf({ ...options, isConditional: false }, put('"1"'));
    assert.deepEqual([without['if-match'], without['if-none-match']], [undefined, undefined]);
    assert.deepEqual(await asked(options, put('no etag')), []);
  });

  it('with conditions on AWS by default, and elsewhere only on request', () => {
    assert.equal(new S3Store({ bucket }).isConditional, true);
    assert.equal(new S3Store({ bucket, isConditional: false }).isConditional, false);
    assert.equal(new S3Store({ bucket, endpoint: 'https://s3.eu-west-1.amazonaws.com' }).isConditional, true);
    assert.equal(new S3Store({ bucket, endpoint: 'https://x.example' }).isConditional, false);
    assert.equal(new S3Store({ bucket, endpoint: 'https://amazonaws.com.example' }).isConditional, false);
  });

  it('with the settings of the environment', async () => {
    const env = {
      AWS_ACCESS_KEY_ID: 'AKIDenv',
      AWS_SECRET_ACCESS_KEY: 'x',
      AWS_SESSION_TOKEN: 'TOKEN',
      AWS_REGION: 'eu-north-1',
      AWS_ENDPOINT_URL_S3: await serve((_, response) => response.end('never')),
    };
    Object.assign(process.env, env);
    try {
      const [request] = await asked({ credentials: undefined });
      assert.match(request?.headers.authorization ?? '', /Credential=AKIDenv\/\d+\/eu-north-1\/s3\/aws4_request/);
      assert.equal(request?.headers['x-amz-security-token'], 'TOKEN');
      await using(new S3Store({ bucket }), async (store) => {
        assert.equal(store.description, `s3://artifacts at ${env.AWS_ENDPOINT_URL_S3.slice(0, -1)}`);
        assert.equal(Buffer.from((await store.get('a'))?.bytes ?? []).toString(), 'never');
      });
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
  });
});

describe('S3Store and credentials:', () => {
  const endpoint = serve((_, response) => response.writeHead(404).end());
  const storeWith = async (credentials: S3StoreOptions['credentials'], url?: string) =>
    new S3Store({ bucket, endpoint: url ?? (await endpoint), credentials });

  it('missing ones are a clear error', async () =>
    using(await storeWith(undefined), (store) =>
      assert.rejects(
        store.get('a'),
        ofKind('Other', ({ message }) =>
          assert.match(message, /AWS_ACCESS_KEY_ID.*npm install @aws-sdk\/credential-provider-node/),
        ),
      ),
    ));

  it('come from the AWS SDK if it is installed; without aws4 the error names what to install', async () => {
    // A copy of the store without other installed packages.
    const directory = temporaryDirectory();
    const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
    writeFileSync(path.join(directory, 'package.json'), '{ "type": "module" }');
    cpSync(dist, directory, { recursive: true });
    const copy: { S3Store: typeof S3Store } = await import(pathToFileURL(path.join(directory, 'stores', 's3.js')).href);
    let authorization: string | undefined;
    const url = await serve((request, response) => {
      ({ authorization } = request.headers);
      response.writeHead(404).end();
    });
    await using(new copy.S3Store({ bucket, endpoint: url, credentials }), (store) =>
      assert.rejects(store.get('a'), /^CacheError: S3Store needs the package aws4: npm install aws4$/),
    );
    cpSync(
      fileURLToPath(new URL('../../node_modules/aws4', import.meta.url)),
      path.join(directory, 'node_modules', 'aws4'),
      {
        recursive: true,
      },
    );
    const chain = path.join(directory, 'node_modules', '@aws-sdk', 'credential-provider-node');
    mkdirSync(chain, { recursive: true });
    writeFileSync(
      path.join(chain, 'index.js'),
      "exports.defaultProvider = () => async () => ({ accessKeyId: 'AKIDchain', secretAccessKey: 'x' });",
    );
    await using(new copy.S3Store({ bucket, endpoint: url }), async (store) => {
      assert.equal(await store.get('a'), undefined);
      assert.match(authorization ?? '', /Credential=AKIDchain/);
    });
  });

  it('a provider is asked once, and again before what it gave expires', async () => {
    for (const [lifetime, calls] of [
      [undefined, 1],
      [3_600_000, 1],
      [60_000, 3],
    ] as const) {
      const expiration = lifetime && new Date(Date.now() + lifetime);
      const provide = mock.fn(async () => ({ ...credentials, expiration }));
      await using(await storeWith(provide), async (store) => {
        await Promise.all([store.get('a'), store.get('b')]);
        await store.get('a');
        await store.get('a');
      });
      assert.equal(provide.mock.callCount(), calls);
    }
  });

  it('a provider is asked again after it failed, and after a 403', async () => {
    const provide = mock.fn(async (): Promise<S3Credentials> => credentials);
    provide.mock.mockImplementationOnce(async () => {
      throw new Error('no answer from the instance');
    });
    provide.mock.mockImplementationOnce(async () => ({}) as S3Credentials, 1);
    const refusing = await serve((_, response) => response.writeHead(403).end());
    await using(await storeWith(provide, refusing), async (store) => {
      await assert.rejects(store.get('a'), /^CacheError: No credentials for S3: no answer from the instance$/);
      await assert.rejects(
        store.get('a'),
        /^CacheError: No credentials for S3: accessKeyId and secretAccessKey are missing$/,
      );
      await assert.rejects(store.get('a'), /403 Forbidden/);
      await assert.rejects(store.get('a'), /403 Forbidden/);
    });
    assert.equal(provide.mock.callCount(), 4);
  });

  it('a signal ends the wait for a provider, too', async () =>
    using(await storeWith(() => new Promise(() => {})), async (store) => {
      const alive = setInterval(() => {}, 1000);
      await within(300, assert.rejects(store.get('a', { signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' }));
      clearInterval(alive);
    }));

  it('nothing that can be printed holds a secret', async () => {
    const secret = { accessKeyId: 'SECRETid', secretAccessKey: 'SECRET/key', sessionToken: 'SECRET token' };
    const printed: unknown[] = [];
    // Servers that repeat what they were sent: S3 does that with the access key and with what was signed.
    const repeating = await serve((request: IncomingMessage, response: ServerResponse) => {
      const sent = JSON.stringify(request.headers);
      response.writeHead(403, { 'x-sent': sent });
      response.end(`<Error><Code>SECRET${sent}</Code><Message>${sent}</Message></Error>`);
    });
    const echo = await serveRaw((socket) => socket.pipe(socket));
    for (const endpoint of [repeating, echo, await serveRaw(() => {}, { close: true })]) {
      for (const credentials of [secret, async () => secret]) {
        const store = new S3Store({ bucket, endpoint, credentials });
        const ask = [
          store.get('a'),
          store.has('a'),
          store.put('a', Buffer.alloc(1)),
          store.delete('a'),
          store.list('').next(),
        ];
        for (const outcome of await Promise.allSettled(ask)) {
          assert.equal(outcome.status, 'rejected');
          printed.push((outcome as PromiseRejectedResult).reason);
        }
        printed.push(store, store.description);
        await store.close();
      }
    }
    for (const options of [
      { endpoint: 'SECRET' },
      { endpoint: 'http://SECRET@x' },
      { endpoint: 'http://x/?SECRET' },
      { endpoint: 'ftp://SECRET' },
      { region: 'SECRET/' },
      { bucket: 'SECRET/' },
      { prefix: '../SECRET' },
    ]) {
      assert.throws(
        () => new S3Store({ bucket, ...options }),
        (error: Error) =>
          printed.push(error) > 0 && error instanceof TypeError && error.message.startsWith('S3Store: '),
      );
    }
    for (const each of printed) {
      const text = inspect(each, { depth: 9, showHidden: true }) + JSON.stringify(each) + String(each);
      assert.ok(!/SECRET|rawPacket|<Buffer/.test(text), text);
    }
  });
});

it('S3Store gives up at the signal, whatever takes long', async () => {
  const endpoint = await serve((_, response) => void setTimeout(() => response.end('x'), 600_000).unref());
  await using(new S3Store({ bucket, endpoint, credentials }), async (store) => {
    await within(300, assert.rejects(store.get('a', { signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' }));
  });
});

it('S3Store keeps no process alive that has nothing else to do', async () => {
  const endpoint = await serve((_, response) => response.end('x'));
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' };
  const { stdout, stderr } = await runProgramAsync('http-store.mjs', { args: [endpoint, 'done', 'artifacts'], env });
  assert.deepEqual([stdout, stderr], ['1\nexits at once\n', '']);
});

async function using(store: S3Store, use: (store: S3Store) => Promise<unknown>): Promise<void> {
  try {
    await use(store);
  } finally {
    await store.close();
  }
}
