import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { CrashGuard } from '../../dist/caches/crash-guard.js';
import { hostTag } from '../../dist/files/write.js';
import { FileSystemCache } from '../../dist/index.js';
import { assertSameModule, ofKind } from '../../dist/testing/assertions.js';
import { sample } from '../../dist/testing/sample.js';
import { variants } from '../../dist/testing/variants.js';
import { filesIn, temporaryDirectory } from '../support/processes.js';

const MINUTE = 60_000;
const dead = spawnSync(process.execPath, ['-e', '0']).pid;

function setUp() {
  const artifact = path.join(temporaryDirectory(), 'abc.artifact');
  const file = artifact.replace('.artifact', '.loading');
  const left = (content: string, age = 0) => {
    writeFileSync(file, content);
    const seconds = (Date.now() - age) / 1000;
    utimesSync(file, seconds, seconds);
  };
  return { guard: new CrashGuard(artifact), file, left };
}

describe('CrashGuard', () => {
  it('has its file while V8 restores, whatever the outcome', () => {
    const { guard, file } = setUp();
    assert.equal(
      guard.watch(() => readFileSync(file, 'utf8')),
      `${hostTag()}-${process.pid} 0 0 \n`,
    );
    assert.equal(existsSync(file), false);
    const error = new Error('V8 refuses');
    const refuse = () => {
      throw error;
    };
    assert.throws(() => guard.watch(refuse), error);
    assert.equal(existsSync(file), false);
  });

  it('lets others load the same artifact at the same time, and leaves their file', () => {
    const { guard, file, left } = setUp();
    left(`${hostTag()}-${process.ppid} 0 0 \n`);
    assert.equal(guard.quarantine(), undefined);
    assert.equal(
      guard.watch(() => 'loaded'),
      'loaded',
    );
    assert.ok(existsSync(file));
  });

  it('goes on if the file cannot be created', () => {
    const guard = new CrashGuard(path.join(temporaryDirectory(), 'nowhere', 'abc.artifact'));
    assert.equal(
      guard.watch(() => 'loaded'),
      'loaded',
    );
    assert.equal(guard.quarantine(), undefined);
  });

  const cases: [what: string, content: string, age: number, deaths: number | undefined][] = [
    ['of a process that lives', `${hostTag()}-${process.pid} 0 0 \n`, 60 * MINUTE, undefined],
    ['of a process that died', `${hostTag()}-${dead} 0 0 \n`, 0, 1],
    ['of a third process that died', `${hostTag()}-${dead} 2 0 \n`, 0, 3],
    ['of another machine, new', `other-${dead} 0 0 \n`, 0, undefined],
    ['of another machine, old', `other-${dead} 0 0 \n`, 2 * MINUTE, 1],
    ['of the future of another machine', `other-${dead} 0 0 \n`, -2 * MINUTE, 1],
    ['that is just being written', '', 0, undefined],
    ['that was never written', '', 2 * MINUTE, 1],
    ['that is something else', 'something else', 2 * MINUTE, 1],
    ['of nobody', '- 2 0 \n', 0, 2],
    ['that could only be overwritten', '- 0 0 \n89 0 0 \n', 60 * MINUTE, undefined],
  ];
  for (const [what, content, age, deaths] of cases) {
    it(`with a file ${what} says ${deaths === undefined ? 'nothing' : `${deaths} deaths`}`, () => {
      const { guard, left } = setUp();
      left(content, age);
      assert.equal(guard.quarantine()?.deaths, deaths);
    });
  }

  it('treats an old file that is cut off in the owner as one of a dead process', () => {
    const { guard, left } = setUp();
    for (const cut of [hostTag(), `${hostTag()}-`, `${hostTag()}-x 0 0 \n`]) {
      left(cut, 2 * MINUTE);
      assert.deepEqual(guard.quarantine(), { deaths: 1, goodTries: 0 }, cut);
      left(cut);
      assert.equal(guard.quarantine(), undefined, cut);
    }
  });

  it('does not throw if something else has the name of its file', {
    skip: process.platform === 'win32',
  }, () => {
    const { guard, file } = setUp();
    symlinkSync(file, file);
    assert.equal(guard.quarantine(), undefined);
  });

  it('lets an artifact come back after three good tries', () => {
    const { guard, file, left } = setUp();
    left(`${hostTag()}-${dead} 0 0 \n`);
    for (const goodTries of [0, 1, 2]) {
      const quarantine = guard.quarantine();
      assert.deepEqual(quarantine, { deaths: 1, goodTries });
      guard.tryOut(quarantine ?? { deaths: 0, goodTries: 0 }, () =>
        assert.equal(readFileSync(file, 'utf8'), `${hostTag()}-${process.pid} 1 0 \n`),
      );
    }
    assert.equal(guard.quarantine(), undefined);
    assert.equal(existsSync(file), false);
  });

  it('counts a try that killed its process', () => {
    const { guard, left } = setUp();
    left('- 1 2 \n');
    left(`${hostTag()}-${dead} 1 0 \n`); // the state when the process of the try dies
    assert.deepEqual(guard.quarantine(), { deaths: 2, goodTries: 0 });
  });
});

describe('FileSystemCache under the guard', () => {
  for (const variant of variants) {
    it(`neither loads nor reports a quarantined artifact, ${variant.name}`, async () => {
      const directory = temporaryDirectory();
      const cache = variant.of(new FileSystemCache(directory));
      const { key, engine, module, wireBytes } = sample();
      await cache.save(key, engine, module);
      const [artifact = ''] = filesIn(directory);
      const guard = artifact.replace('.artifact', '.loading');
      assertSameModule(await cache.load(key, engine), module);
      assert.equal(existsSync(guard), false);
      writeFileSync(guard, `${hostTag()}-${dead} 0 0 \n`);
      const { deserialize } = engine.calls;
      for (const options of [{}, { wireBytes }]) {
        await assert.rejects(
          cache.load(key, engine, options),
          ofKind('Untrusted', ({ message }) => assert.match(message, /did not finish/)),
        );
      }
      assert.equal(await cache.contains(key, engine), false);
      assert.equal(engine.calls.deserialize, deserialize);
      assert.ok(existsSync(artifact));
    });
  }

  it('loads from a folder that cannot be written to', {
    skip: process.geteuid?.() === 0 ? 'root may write anywhere' : false,
  }, async () => {
    const directory = temporaryDirectory();
    const cache = new FileSystemCache(directory);
    const { key, engine, module } = sample();
    await cache.save(key, engine, module);
    const folder = path.dirname(filesIn(directory)[0] as string);
    chmodSync(folder, 0o500);
    assertSameModule(await cache.load(key, engine), module);
    chmodSync(folder, 0o700);
  });
});
