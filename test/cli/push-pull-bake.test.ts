import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { BakeDocument } from '../../dist/cli/commands/bake.js';
import { type PullDocument, command as pullCommand } from '../../dist/cli/commands/pull.js';
import type { PushDocument } from '../../dist/cli/commands/push.js';
import { noColors } from '../../dist/cli/terminal/output.js';
import { encodeProgramRecord } from '../../dist/stores/program-record.js';
import { ENGINE, madeUp, SECRET } from '../support/bundles.js';
import { putArtifact, runCli, shapeOf } from '../support/cli.js';
import { engineIdOfPrograms } from '../support/learning.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';
import { nginxMissing, startNginx } from '../support/servers.js';

const here = engineIdOfPrograms();
const MORE = Buffer.alloc(5000, 'more native code ');
const ours = madeUp(1, { engineId: here });
const better = { ...ours, nativeCode: MORE, final: true };
const second = madeUp(2, { engineId: here });
const foreign = madeUp(3);
const WITH_SECRET = { WASM_CACHE_SECRET: SECRET };

/** A folder with two artifacts of this engine, and one of another Node. */
function folder(): string {
  const directory = temporaryDirectory();
  for (const artifact of [ours, second, foreign]) putArtifact(directory, artifact, { secret: SECRET });
  return directory;
}

function store(): { address: string; files: string } {
  const files = path.join(temporaryDirectory(), 'store');
  return { address: pathToFileURL(files).href, files };
}

function run<Document>(command: string, args: string[], env: Record<string, string> = WITH_SECRET) {
  const { status, stdout, stderr } = runCli([command, '--json', ...args], { env });
  return { status, stderr, document: stdout === '' ? undefined : (JSON.parse(stdout) as Document) };
}

const outcomes = (document: { artifacts: { key: string; outcome: string }[] } | undefined) =>
  Object.fromEntries(document?.artifacts.map(({ key, outcome }) => [key, outcome]) ?? []);
const engineShape = {
  ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
  ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
};
const artifactShape = {
  ...{ key: 'string', engine: engineShape, coverage: 'string', generation: 'number', final: 'boolean' },
  ...{ moduleSize: 'number', size: 'number', reasons: [], outcome: 'string' },
};

describe('wasm-cache push', () => {
  it('puts artifacts of this engine into the store, unless the store has better ones', () => {
    const directory = folder();
    const { address, files } = store();
    const first = run<PushDocument>('push', ['--dir', directory, '--to', address]);
    assert.equal(first.status, 0, first.stderr);
    assert.deepEqual(shapeOf(first.document), {
      ...{ directory: 'string', store: 'string', program: 'null', artifacts: [artifactShape], leftOut: [] },
    });
    assert.deepEqual(outcomes(first.document), { [`${ours.key}`]: 'stored', [`${second.key}`]: 'stored' });
    assert.equal(filesIn(files).length, 2);

    const improved = temporaryDirectory();
    putArtifact(improved, better);
    const [before] = [readFileSync(filesIn(files).find((file) => file.includes(`${ours.key}`)) as string)];
    assert.deepEqual(outcomes(run<PushDocument>('push', ['--dir', improved, '--to', address]).document), {
      [`${ours.key}`]: 'stored',
    });
    const again = runCli(['push', '--dir', directory, '--to', address], { env: WITH_SECRET });
    assert.equal(again.status, 0);
    assert.match(again.stdout, /there already +what is there has more native code: 5000 bytes, this 3000$/m);
    assert.match(again.stdout, /^2 there already \(.*\), from .* to .*store$/m);
    const after = readFileSync(filesIn(files).find((file) => file.includes(`${ours.key}`)) as string);
    assert.notDeepEqual(after, before);
  });

  it('uses the store of WASM_CACHE_REMOTE, and other engines if asked to', () => {
    const { address } = store();
    const env = { ...WITH_SECRET, WASM_CACHE_REMOTE: address };
    const { document } = run<PushDocument>('push', ['--dir', folder(), '--all-engines'], env);
    assert.equal(document?.artifacts.find(({ engine }) => engine.id === ENGINE)?.outcome, 'stored');
    assert.equal(document?.artifacts.length, 3);
  });

  it('adds to the record of a program what that uses, or else everything', () => {
    const directory = folder();
    const { address } = store();
    const program = path.join(temporaryDirectory(), 'app.js');
    writeFileSync(program, '');
    const push = () =>
      run<PushDocument>('push', ['--dir', directory, '--to', address, '--program', program]).document?.program;
    const name = `programs/${path.basename(path.dirname(program))}_app.js.json`;
    mkdirSync(path.join(directory, 'programs'));
    writeFileSync(path.join(directory, name), encodeProgramRecord([`${second.key}`, '0'.repeat(64)]));
    assert.deepEqual(push(), { name, modules: [`${second.key}`] });
    writeFileSync(path.join(directory, name), encodeProgramRecord([]));
    assert.deepEqual(push()?.modules.toSorted(), [`${ours.key}`, `${second.key}`].toSorted());
  });

  it('leaves out damaged and unsigned artifacts, and exits with 1', () => {
    const directory = folder();
    putArtifact(directory, madeUp(4, { engineId: here }), { change: (bytes) => bytes.subarray(0, 300) });
    putArtifact(directory, madeUp(5, { engineId: here }), { secret: 'another-secret-of-letters' });
    const { status, document } = run<PushDocument>('push', ['--dir', directory, '--to', store().address]);
    assert.equal(status, 1);
    assert.deepEqual(document?.leftOut.map(({ reason }) => reason).sort(), ['damaged', 'untrusted']);
    const { status: nothing, stdout } = runCli(['push', '--dir', temporaryDirectory(), '--to', store().address], {
      env: WITH_SECRET,
    });
    assert.equal(nothing, 1);
    assert.match(stdout, /^Nothing, from .* to /);
  });

  it('exits with 3 if the store fails, and shows no secrets', () => {
    const { status, stderr, document } = run('push', ['--dir', folder(), '--to', 'redis://name:password@127.0.0.1:1']);
    assert.deepEqual([status, document], [3, undefined]);
    assert.match(stderr, /^error: redis:\/\/127.0.0.1:1.*ECONNREFUSED/);
    assert.doesNotMatch(stderr, /name:|password|secret-of/);
  });

  it('says what was wrong', () => {
    const directory = folder();
    for (const [args, env, message] of [
      [[], WITH_SECRET, /Name a store, with --to or with WASM_CACHE_REMOTE/],
      [['--to', 'ftp://name:password@host'], WITH_SECRET, /--to: ftp:\/\/host must start with one of redis:/],
      [
        ['--to', store().address, '--program', 'none.js'],
        WITH_SECRET,
        /There is no file .*none.js: name the main file/,
      ],
      [
        ['--to', store().address],
        {},
        /set WASM_CACHE_SECRET or WASM_CACHE_SECRET_FILE, or WASM_CACHE_ALLOW_UNSIGNED=1/,
      ],
    ] as [string[], Record<string, string>, RegExp][]) {
      const { status, stderr, document } = run('push', ['--dir', directory, ...args], env);
      assert.deepEqual([status, document], [2, undefined], args.join(' '));
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /password/);
    }
  });
});

describe('wasm-cache pull', () => {
  const filled = (): string => {
    const { address } = store();
    assert.equal(run('push', ['--dir', folder(), '--to', address, '--all-engines']).status, 0);
    return address;
  };

  it('fetches artifacts of this engine, and never replaces more by less', () => {
    const address = filled();
    const directory = temporaryDirectory();
    putArtifact(directory, better, { secret: SECRET });
    const { status, document } = run<PullDocument>('pull', ['--dir', directory, '--from', address]);
    assert.equal(status, 0);
    assert.deepEqual(outcomes(document), { [`${ours.key}`]: 'kept', [`${second.key}`]: 'stored' });
    assert.match(
      document?.artifacts.find(({ outcome }) => outcome === 'kept')?.reasons[0] ?? '',
      /has more native code/,
    );
    assert.deepEqual(
      filesIn(directory)
        .map((file) => path.basename(file))
        .sort(),
      [...[`${ours.key}.artifact`, `${second.key}.artifact`].sort()],
    );
    const all = run<PullDocument>('pull', ['--dir', temporaryDirectory(), '--from', address, '--all-engines']);
    assert.equal(all.document?.artifacts.length, 3);
    assert.deepEqual(shapeOf({ ...document, artifacts: [] }), {
      ...{ directory: 'string', source: 'string', missing: [], artifacts: [], leftOut: [] },
    });
  });

  it('fetches by key, says what is missing, and exits with 1', () => {
    const address = filled();
    const none = '0'.repeat(64);
    const args = ['--dir', temporaryDirectory(), '--from', address, '--key', `${second.key}`, none];
    const { status, document } = run<PullDocument>('pull', args);
    assert.equal(status, 1);
    assert.deepEqual(outcomes(document), { [`${second.key}`]: 'stored' });
    assert.deepEqual(document?.missing, [none]);
  });

  it('refuses artifacts with another secret, and exits with 1', () => {
    const env = { WASM_CACHE_SECRET: 'another-secret-of-letters' };
    const directory = temporaryDirectory();
    const { status, document } = run<PullDocument>('pull', ['--dir', directory, '--from', filled()], env);
    assert.equal(status, 1);
    assert.deepEqual(
      document?.leftOut.map(({ reason }) => reason),
      ['untrusted', 'untrusted'],
    );
    assert.deepEqual(filesIn(directory), []);
  });

  it('does it with a web server, by the record of a program', { skip: nginxMissing() }, async () => {
    const { url } = await startNginx();
    const program = path.join(temporaryDirectory(), 'app.js');
    writeFileSync(program, '');
    const pushed = run<PushDocument>('push', ['--dir', folder(), '--to', url, '--program', program]);
    assert.equal(pushed.status, 0, pushed.stderr);
    const directory = temporaryDirectory();
    const { status, document } = run<PullDocument>('pull', ['--dir', directory, '--from', url, '--program', program]);
    assert.equal(status, 0);
    assert.deepEqual(outcomes(document), { [`${ours.key}`]: 'stored', [`${second.key}`]: 'stored' });
    const listing = run('pull', ['--dir', directory, '--from', url]);
    assert.equal(listing.status, 2);
    assert.match(listing.stderr, /cannot list what it has: name what to pull, with --program <file> or --key <key>/);
    const other = path.join(temporaryDirectory(), 'other.js');
    writeFileSync(other, '');
    const unlisted = run('pull', ['--dir', directory, '--from', url, '--program', other]);
    assert.equal(unlisted.status, 3);
    assert.match(unlisted.stderr, /has no record programs\/.*other.js.json: push it, with wasm-cache push --program/);
  });

  it('says what was wrong', () => {
    const directory = temporaryDirectory();
    for (const [args, message] of [
      [[], /Name a store, with --from or with WASM_CACHE_REMOTE/],
      [['https://host/'], /is the address of a store, not a bundle: give it with --from/],
      [['bundle.tar', '--from', 'https://host/'], /--from is for a store, and bundle.tar is a bundle/],
      [['--from', 'https://host/', '--key', 'abc'], /--key abc: /],
    ] as [string[], RegExp][]) {
      const { status, stderr } = run('pull', ['--dir', directory, ...args]);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, message);
    }
  });
});

test('the address of a store that pull has asked is shown as it is', () => {
  const document = { directory: '/folder', source: 'redis://host:6379/0', missing: [], artifacts: [], leftOut: [] };
  assert.equal(pullCommand.render(document, noColors), 'Nothing, from redis://host:6379/0 to /folder');
});

describe('wasm-cache bake', () => {
  it('writes a bundle, which pull reads', () => {
    const bundle = path.join(temporaryDirectory(), 'cache.tar');
    const { status, document } = run<BakeDocument>('bake', ['--dir', folder(), bundle]);
    assert.equal(status, 0);
    assert.deepEqual(shapeOf(document), {
      ...{ directory: 'string', bundle: 'string', size: 'number', artifacts: [artifactShape], leftOut: [] },
    });
    assert.equal(document?.size, readFileSync(bundle).length);
    const directory = temporaryDirectory();
    const { status: pulled, stdout } = runCli(['pull', bundle, '--dir', directory], { env: WITH_SECRET });
    assert.equal(pulled, 0);
    assert.match(stdout, /^2 pulled \(.*\), from .*cache.tar to /m);
    assert.equal(filesIn(directory).length, 2);
  });

  it('includes other engines if asked to, and pull says why those do not fit', () => {
    const bundle = path.join(temporaryDirectory(), 'cache.tar');
    const baked = run<BakeDocument>('bake', ['--dir', folder(), '--all-engines', bundle]);
    assert.equal(baked.document?.artifacts.length, 3);
    const { status, document } = run<PullDocument>('pull', ['--dir', temporaryDirectory(), bundle]);
    assert.equal(status, 1);
    const unsuitable = document?.artifacts.filter(({ outcome }) => outcome === 'unsuitable');
    assert.deepEqual(
      unsuitable?.map(({ key }) => key),
      [`${foreign.key}`],
    );
    assert.match(unsuitable?.[0]?.reasons.join() ?? '', /^made by /);
    const all = run<PullDocument>('pull', ['--dir', temporaryDirectory(), '--all-engines', bundle]);
    assert.deepEqual([all.status, all.document?.artifacts.every(({ outcome }) => outcome === 'stored')], [0, true]);
  });

  it('exits with 1 if there is nothing, and with 3 for a file that is no bundle or has another secret', () => {
    const folderOfBundle = temporaryDirectory();
    const bundle = path.join(folderOfBundle, 'cache.tar');
    assert.equal(run('bake', ['--dir', temporaryDirectory(), bundle]).status, 1);
    assert.equal(run('bake', ['--dir', folder(), bundle]).status, 0);
    const args = ['--dir', temporaryDirectory(), bundle];
    const other = run('pull', args, { WASM_CACHE_SECRET: 'another-secret-of-letters' });
    assert.equal(other.status, 3);
    assert.match(other.stderr, /another secret/);
    writeFileSync(bundle, 'not a bundle');
    assert.equal(run('pull', args).status, 3);
    assert.equal(run('pull', ['--dir', temporaryDirectory(), path.join(folderOfBundle, 'missing.tar')]).status, 3);
    assert.equal(run('bake', ['--dir', folder(), path.join(folderOfBundle, 'no', 'folder', 'cache.tar')]).status, 3);
  });

  it('is unsigned only with --allow-unsigned', () => {
    const directory = temporaryDirectory();
    putArtifact(directory, ours);
    const bundle = path.join(temporaryDirectory(), 'cache.tar');
    const refused = run('bake', ['--dir', directory, bundle], {});
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /WASM_CACHE_ALLOW_UNSIGNED=1/);
    const leave = { WASM_CACHE_ALLOW_UNSIGNED: '1' };
    assert.equal(run('bake', ['--dir', directory, bundle], leave).status, 0);
    assert.equal(run('pull', ['--dir', temporaryDirectory(), bundle], leave).status, 0);
    assert.equal(run('pull', ['--dir', temporaryDirectory(), bundle]).status, 3, 'not where there is a secret');
  });

  it('names what was wrong', () => {
    const { status, stderr } = runCli(['bake'], { env: WITH_SECRET });
    assert.equal(status, 2);
    assert.match(stderr, /missing required argument 'bundle'/);
  });
});
