import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { DoctorDocument } from '../../../dist/cli/commands/doctor.js';
import { madeUp, SECRET } from '../../support/bundles.js';
import { jsonOf, putArtifact, runCli, runCliAsync, shapeOf } from '../../support/cli.js';
import { engineIdOfPrograms, snapshot } from '../../support/learning.js';
import { temporaryDirectory } from '../../support/processes.js';
import { quarantine } from '../../support/quarantine.js';

const HOUR = 3_600_000;
const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
const here = engineIdOfPrograms();

interface Options {
  directory?: string;
  env?: Record<string, string>;
  nodeOptions?: string[];
  code?: number;
}

const doctor = ({ directory = temporaryDirectory(), env = {}, nodeOptions = [], code = 0 }: Options = {}) =>
  jsonOf<DoctorDocument>(['doctor', '--dir', directory], { env, nodeOptions }, code);

/** The finding on one subject. Checks that there is advice exactly if something is to be done. */
function findingOf({ findings }: DoctorDocument, id: string): [status: string, message: string] {
  for (const { status, advice } of findings) assert.equal(advice === null, status === 'ok');
  const found = findings.filter((finding) => finding.id === id);
  assert.equal(found.length, 1, id);
  return [found[0]?.status as string, found[0]?.message as string];
}

describe('wasm-cache doctor', () => {
  it('finds no problem here, makes a round trip, and changes nothing', () => {
    const directory = temporaryDirectory();
    putArtifact(directory, madeUp(1, { engineId: here }));
    const before = snapshot(directory);
    const temporary = temporaryDirectory();
    const { status, stdout, stderr } = runCli(['doctor', '--dir', directory], { env: { TMPDIR: temporary } });
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^ok {7}node +Node v[\d.]+ with V8 .*: engine node-v/m);
    assert.match(stdout, /^ok {7}addon +\/.*\.node$/m);
    assert.match(
      stdout,
      /^ok {7}round-trip +one process .* saved it \(\d+ B\), and a second process loaded it in [\d.]+ ms$/m,
    );
    assert.match(stdout, /\n\n(No problems found|1 warning)\.\n$/);
    assert.deepEqual(snapshot(directory), before);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it('prints JSON of the documented shape', () => {
    const { findings, ...document } = doctor();
    const engine = {
      ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
      ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
    };
    assert.deepEqual(shapeOf(document), {
      ...{
        directory: 'string',
        engine,
        store: { description: 'null', connectMilliseconds: 'null', latencyMilliseconds: 'null' },
      },
      roundTrip: { hit: 'boolean', firstMilliseconds: 'number', secondMilliseconds: 'number', artifactSize: 'number' },
    });
    assert.equal(document.roundTrip?.hit, true);
    const ids = [
      'node',
      'addon',
      'mode',
      'node-options',
      'secret',
      'learning',
      'folder',
      'rights',
      'size',
      'disk',
      'clock',
    ];
    assert.deepEqual(
      findings.map(({ id }) => id),
      [...ids, 'store', 'round-trip'],
    );
    for (const finding of findings) {
      const shape = { id: 'string', status: 'string', message: 'string' };
      assert.deepEqual(shapeOf(finding), { ...shape, advice: finding.status === 'ok' ? 'null' : 'string' });
    }
  });

  it('finds that native code cannot be used', () => {
    const document = doctor({ nodeOptions: ['--disable-wasm-trap-handler'], code: 1 });
    const [status, message] = findingOf(document, 'node');
    assert.equal(status, 'problem');
    assert.match(message, /cannot use native code: V8's WebAssembly trap handler is off/);
    assert.equal(findingOf(document, 'round-trip')[0], 'problem');
    assert.equal(document.roundTrip, null);
  });

  it('finds that a round trip fails, and what the processes said', onPosix, () => {
    const open = temporaryDirectory();
    chmodSync(open, 0o777); // so that others could replace the folder below it
    const [status, message] = findingOf(doctor({ env: { TMPDIR: open }, code: 1 }), 'round-trip');
    assert.equal(status, 'problem');
    assert.match(message, /^the first process saved nothing: .*can be written by others/);
    assert.deepEqual(readdirSync(open), []);
  });

  it('finds that the cache is turned off or read-only', () => {
    assert.deepEqual(findingOf(doctor({ env: { WASM_CACHE_DISABLE: '1' }, code: 1 }), 'mode'), [
      ...['problem', 'the cache is turned off by WASM_CACHE_DISABLE=1'],
    ]);
    assert.equal(findingOf(doctor({ env: { WASM_CACHE_MODE: 'read-only' } }), 'mode')[0], 'ok');
  });

  it('shows wrong settings once, among the findings', () => {
    const env = { WASM_CACHE_MAX_SIZE: 'big' };
    const [status, message] = findingOf(doctor({ env }), 'settings');
    assert.equal(status, 'warning');
    assert.match(message, /^WASM_CACHE_MAX_SIZE=big is not a size/);
  });

  it('tells whether there is a secret, and never shows it', () => {
    const file = path.join(temporaryDirectory(), 'secret');
    writeFileSync(file, `${SECRET} another-secret-of-ours`);
    const document = doctor({ env: { WASM_CACHE_SECRET_FILE: file } });
    const [, message] = findingOf(document, 'secret');
    assert.equal(message, `artifacts are signed with WASM_CACHE_SECRET_FILE=${file}; 2 secrets are accepted`);
    assert.ok(!JSON.stringify(document).includes(SECRET));
    assert.equal(document.roundTrip?.hit, true);
  });

  it('tells why nothing is learnt', () => {
    const [status, message] = findingOf(doctor({ env: { CI: 'true', WASM_CACHE_LEARN: 'auto' } }), 'learning');
    assert.deepEqual([status, message], ['warning', 'off, because CI=true is set']);
    assert.equal(findingOf(doctor({ env: { WASM_CACHE_LEARN: 'off' } }), 'learning')[0], 'ok');
  });

  it('tells whether NODE_OPTIONS turn the hook on everywhere', () => {
    const register = path.join(import.meta.dirname, '../../../dist/register.js');
    const env = { NODE_OPTIONS: `--import ${pathToFileURL(register)}`, WASM_CACHE_DIR: temporaryDirectory() };
    assert.match(findingOf(doctor({ env }), 'node-options')[1], /starts the hook in every node$/);
    assert.match(
      findingOf(doctor({ env: { NODE_OPTIONS: '--no-warnings' } }), 'node-options')[1],
      /does not start the hook$/,
    );
  });
});

describe('wasm-cache doctor finds a folder', () => {
  it('that others may write to', onPosix, () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o777);
    const [status, message] = findingOf(doctor({ directory, code: 1 }), 'folder');
    assert.equal(status, 'problem');
    assert.match(message, /can be written by others/);
    assert.equal(findingOf(doctor({ directory, env: { WASM_CACHE_SECRET: SECRET } }), 'folder')[0], 'ok');
  });

  it('that this user cannot write to', {
    skip: process.geteuid?.() === 0 ? false : 'only root can be somebody else',
  }, () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o755);
    const run = (env: Record<string, string>, code: number) =>
      // The temporary folder of the tests is not open to that user.
      jsonOf<DoctorDocument>(['doctor', '--dir', directory], { uid: 65534, env: { TMPDIR: '/tmp', ...env } }, code);
    const [status, message] = findingOf(run({}, 1), 'rights');
    assert.deepEqual([status, message], ['problem', `${directory} cannot be written to (EACCES)`]);
    assert.equal(findingOf(run({ WASM_CACHE_MODE: 'read-only' }, 0), 'rights')[0], 'ok');
  });

  it('that is over its limit, was swept in the future, or has an artifact that is not loaded', () => {
    const directory = temporaryDirectory();
    const file = putArtifact(directory, madeUp(1, { engineId: here }), { age: -2 * HOUR });
    quarantine(file, { deaths: 1, goodTries: 0 });
    const document = doctor({ directory, env: { WASM_CACHE_MAX_SIZE: '1KiB' } });
    assert.deepEqual(findingOf(document, 'size'), [
      ...['warning', '1 artifact in 2 files, 4.2 KiB of 1.0 KiB: it is over its limits'],
    ]);
    assert.deepEqual(findingOf(document, 'clock'), ['warning', '1 file with a time stamp in the future']);
    assert.equal(findingOf(document, 'quarantine')[0], 'warning');
  });

  it('that does not exist yet', () => {
    const directory = path.join(temporaryDirectory(), 'a', 'b');
    const document = doctor({ directory });
    assert.deepEqual(findingOf(document, 'folder'), [
      'ok',
      `${directory} does not exist yet; the first module that is stored makes it`,
    ]);
    assert.equal(findingOf(document, 'rights')[0], 'ok');
  });
});

describe('wasm-cache doctor finds that the store', () => {
  const allow = { WASM_CACHE_ALLOW_UNSIGNED: '1' };
  const withStore = (url: string, env: Record<string, string>, code = 0) =>
    doctor({ env: { WASM_CACHE_REMOTE: url, ...env }, code });

  it('answers', () => {
    const folder = path.join(temporaryDirectory(), 'store');
    mkdirSync(folder);
    const document = withStore(pathToFileURL(folder).href, allow);
    assert.equal(findingOf(document, 'store')[0], 'ok');
    assert.equal(document.store.description, folder);
    assert.equal(typeof document.store.latencyMilliseconds, 'number');
    assert.deepEqual(readdirSync(folder), []);
  });

  it('answers later than programs wait for it', async () => {
    const server = http.createServer((_, response) => {
      setTimeout(() => response.writeHead(404).end(), 50);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://user:hidden@127.0.0.1:${(server.address() as AddressInfo).port}/cache/`;
      const env = { ...allow, WASM_CACHE_REMOTE: url, WASM_CACHE_REMOTE_TIMEOUT: '20ms' };
      const { status, stdout } = await runCliAsync(['doctor', '--json', '--dir', temporaryDirectory()], { env });
      assert.equal(status, 0, stdout);
      const document = JSON.parse(stdout) as DoctorDocument;
      const [of, message] = findingOf(document, 'store');
      assert.equal(of, 'warning');
      assert.match(
        message,
        /\/cache\/ answers in \d+ ms, the first time in \d+ ms, but programs wait for 20 ms at most$/,
      );
      assert.ok((document.store.latencyMilliseconds as number) >= 50);
      assert.ok(!stdout.includes('hidden'));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('does not answer, and does not show its password', () => {
    const document = withStore('http://user:hidden@127.0.0.1:1/', allow, 1);
    const [status, message] = findingOf(document, 'store');
    assert.equal(status, 'problem');
    assert.match(message, /^http:\/\/127.0.0.1:1\/ cannot be used: .*ECONNREFUSED/);
    assert.ok(!JSON.stringify(document).includes('hidden'));
  });

  it('is not used, because there is no secret, or the address is wrong', () => {
    const document = withStore('http://user:hidden@127.0.0.1:1/', {}, 1);
    assert.equal(findingOf(document, 'store')[0], 'problem');
    assert.match(findingOf(document, 'settings')[1], /is not used: whoever can write to it could run code here/);
    assert.equal(findingOf(withStore('memcached://host', allow, 1), 'store')[0], 'problem');
    assert.ok(!JSON.stringify(document).includes('hidden'));
  });
});

it('wasm-cache doctor names an option that it does not have', () => {
  const { status, stderr } = runCli(['doctor', '--fix']);
  assert.equal(status, 2);
  assert.match(stderr, /unknown option '--fix'/);
});
