import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { loadAddon } from '../../dist/native/addon.js';
import { openTrusted, type Refusal, readTrusted } from '../../dist/native/trusted-files.js';
import { temporaryDirectory } from '../support/processes.js';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
const isRoot = process.geteuid?.() === 0;
const OTHER = 12_345;

describe('openTrusted', { skip: loadAddon().addon === undefined }, () => {
  const base = fs.realpathSync(temporaryDirectory());
  let directory = '';
  const at = (...names: string[]) => path.join(directory, ...names);

  beforeEach(() => {
    directory = path.join(base, `folder-${Math.random()}`);
    fs.mkdirSync(at('engine'), { recursive: true, mode: 0o700 });
    fs.writeFileSync(at('engine', 'artifact'), 'code', { mode: 0o600 });
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

  const open = (names = ['engine', 'artifact'], flags = O_RDONLY, folder = directory) =>
    openTrusted(folder, names, flags);
  function refused(reason: Refusal['reason'], where: string, result = open()): Refusal {
    assert.ok(typeof result === 'object', `it was opened: ${result}`);
    assert.deepEqual([result.reason, result.path], [reason, where]);
    return result;
  }
  function reads(text: string, result = open()): void {
    assert.equal(typeof result, 'number', JSON.stringify(result));
    const descriptor = result as number;
    assert.ok(descriptor > 2);
    assert.equal(fs.readFileSync(descriptor, 'utf8'), text);
    fs.closeSync(descriptor);
  }

  it('opens a private file in private folders', () => {
    reads('code');
    assert.equal(open([]), 0);
    reads('code', open(undefined, undefined, `${directory}/./engine//../`));
  });

  it('reads what it would open, up to a size', () => {
    const read = (names = ['engine', 'artifact'], maxSize = 4) => readTrusted(directory, names, maxSize)?.toString();
    assert.equal(read(), 'code');
    assert.equal(read(undefined, 3), undefined);
    assert.equal(read(['engine', 'other']), undefined);
    assert.equal(read(['engine']), undefined, 'a folder');
    fs.writeFileSync(at('engine', 'empty'), '', { mode: 0o600 });
    assert.equal(read(['engine', 'empty']), undefined);
    fs.chmodSync(at('engine', 'artifact'), 0o622);
    assert.equal(read(), undefined);
    assert.throws(() => read(['..', 'artifact']), /names without slashes/);
    assert.throws(() => read([]), TypeError);
  });

  it('leaves no descriptor open, whatever happens', { skip: process.platform !== 'linux' }, () => {
    const count = () => fs.readdirSync('/proc/self/fd').length;
    const before = count();
    fs.symlinkSync('engine', at('link'));
    for (let round = 0; round < 50; round++) {
      reads('code');
      open([]);
      open(['missing', 'artifact']);
      open(['engine', 'missing']);
      open(['link', 'artifact']);
      open(['engine']);
      open(undefined, undefined, at('link', 'artifact'));
    }
    assert.equal(count(), before);
  });

  it('does not give its descriptor to other programs', { skip: process.platform !== 'linux' }, () => {
    const descriptor = open() as number;
    const { stdout } = spawnSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
    fs.closeSync(descriptor);
    assert.doesNotMatch(stdout, /artifact/);
  });

  it('says what is missing', () => {
    assert.equal(refused('error', at('engine', 'other'), open(['engine', 'other'])).code, 'ENOENT');
    assert.equal(refused('error', at('other'), open(['other', 'artifact'])).code, 'ENOENT');
    assert.equal(refused('error', at('other'), open(undefined, undefined, at('other', 'deeper'))).code, 'ENOENT');
    assert.equal(refused('error', at('engine', 'artifact'), open(['engine', 'artifact', 'x'])).code, 'ENOTDIR');
  });

  for (const [mode, name] of [
    [0o666, 'everybody'],
    [0o620, 'the group'],
    [0o602, 'everybody but the group'],
  ] as const) {
    it(`refuses a file and a folder that ${name} may write to, wherever it is`, () => {
      for (const names of [['engine', 'artifact'], ['engine'], []]) {
        const mask = names.length === 2 ? 0 : 0o111;
        fs.chmodSync(at(...names), mode | mask);
        assert.equal(refused('writable', at(...names)).mode, mode | mask);
        fs.chmodSync(at(...names), 0o700);
      }
      reads('code');
    });
  }

  it('refuses a folder on the way that others may write to, unless it is sticky', () => {
    fs.chmodSync(directory, 0o777);
    refused('writable', directory, open(['artifact'], O_RDONLY, at('engine')));
    fs.chmodSync(directory, 0o1777);
    reads('code', open(['artifact'], O_RDONLY, at('engine')));
    refused('writable', directory);
  });

  it('refuses what belongs to somebody else, wherever it is', { skip: !isRoot }, () => {
    for (const names of [['engine', 'artifact'], ['engine'], []]) {
      fs.chownSync(at(...names), OTHER, 0);
      assert.equal(refused('owner', at(...names)).owner, OTHER);
      fs.chownSync(at(...names), 0, 0);
    }
    fs.symlinkSync(directory, at('engine', 'link'));
    fs.lchownSync(at('engine', 'link'), OTHER, 0);
    refused('owner', at('engine', 'link'), open(undefined, undefined, at('engine', 'link')));
  });

  it('follows links on the way as the system does, and none below', () => {
    fs.mkdirSync(at('sub'));
    fs.symlinkSync(at('sub'), at('to-sub'));
    fs.mkdirSync(at('cache'));
    fs.symlinkSync('to-sub/../engine', at('relative')); // As text it would be engine, too; through the link it is what the system says.
    fs.symlinkSync(at('relative'), at('absolute'));
    for (const name of ['relative', 'absolute']) {
      assert.equal(fs.readFileSync(at(name, 'artifact'), 'utf8'), 'code');
      reads('code', open(['artifact'], O_RDONLY, at(name)));
      refused('symbolic link', at(name), open([name, 'artifact']));
    }
    fs.mkdirSync(at('sub', 'deep'));
    fs.mkdirSync(at('sub', 'engine'));
    fs.writeFileSync(at('sub', 'engine', 'artifact'), 'the other');
    fs.symlinkSync(at('sub', 'deep'), at('deep'));
    fs.symlinkSync('deep/../engine', at('elsewhere')); // sub/engine, not engine
    assert.equal(fs.readFileSync(at('elsewhere', 'artifact'), 'utf8'), 'the other');
    reads('the other', open(['artifact'], O_RDONLY, at('elsewhere')));
    fs.symlinkSync('artifact', at('engine', 'link'));
    refused('symbolic link', at('engine', 'link'), open(['engine', 'link']));
  });

  it('ends at a circle of links', () => {
    fs.symlinkSync('round', at('circle'));
    fs.symlinkSync('circle', at('round'));
    const result = open([], O_RDONLY, at('circle'));
    assert.equal((result as Refusal).code, 'ELOOP');
  });

  it('refuses a file with another name', () => {
    fs.linkSync(at('engine', 'artifact'), at('other-name'));
    refused('hard links', at('engine', 'artifact'));
    fs.rmSync(at('other-name'));
    reads('code');
  });

  it('refuses pipes, folders and sockets at once', { skip: process.platform === 'win32' }, () => {
    execFileSync('mkfifo', ['-m', '600', at('engine', 'pipe')]);
    fs.mkdirSync(at('engine', 'sub'));
    refused('not a file', at('engine', 'pipe'), open(['engine', 'pipe']));
    refused('not a file', at('engine', 'sub'), open(['engine', 'sub']));
    assert.equal(refused('error', at('engine', 'pipe'), open(['engine', 'pipe'], O_WRONLY)).code, 'ENXIO');
    refused('error', at('engine', 'pipe'), open(['engine', 'pipe', 'x']));
  });

  it('creates a private file, and never through a link', () => {
    const create = O_RDWR | O_CREAT | O_EXCL;
    const descriptor = open(['engine', 'new'], create) as number;
    fs.writeSync(descriptor, 'text');
    fs.closeSync(descriptor);
    assert.equal(fs.statSync(at('engine', 'new')).mode & 0o777, 0o600);
    assert.equal(refused('error', at('engine', 'new'), open(['engine', 'new'], create)).code, 'EEXIST');
    fs.symlinkSync(at('target'), at('engine', 'link'));
    assert.equal(refused('error', at('engine', 'link'), open(['engine', 'link'], create)).code, 'EEXIST');
    refused('symbolic link', at('engine', 'link'), open(['engine', 'link'], O_WRONLY | O_CREAT));
    assert.equal(fs.existsSync(at('target')), false);
  });

  it('takes no path for a name, and does not truncate', () => {
    for (const name of ['', '.', '..', 'a/b', '/etc', 'a\0b']) assert.throws(() => open(['engine', name]), TypeError);
    assert.throws(() => open(undefined, undefined, 'relative'), TypeError);
    assert.throws(() => open(undefined, O_WRONLY | O_TRUNC), TypeError);
    assert.equal(fs.readFileSync(at('engine', 'artifact'), 'utf8'), 'code');
  });

  it('never opens what somebody puts in its place meanwhile', { skip: !isRoot }, async () => {
    fs.mkdirSync(at('foreign'));
    fs.writeFileSync(at('foreign', 'artifact'), 'foreign code');
    fs.chownSync(at('foreign', 'artifact'), OTHER, 0);
    const swap = 'while :; do mv -T engine place; mv -T place engine; ln -s foreign place; rm place; done';
    const swapping = spawn('sh', ['-c', swap], { cwd: directory, stdio: 'ignore' });
    const counts = { opened: 0, refused: 0 };
    for (const end = Date.now() + 2000; Date.now() < end; ) {
      const result = open(['place', 'artifact']);
      if (typeof result === 'number') reads('code', result);
      counts[typeof result === 'number' ? 'opened' : 'refused']++;
    }
    swapping.kill('SIGKILL');
    await once(swapping, 'exit');
    assert.ok(counts.opened > 0 && counts.refused > 0, JSON.stringify(counts));
  });
});
