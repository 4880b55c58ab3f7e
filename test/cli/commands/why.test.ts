import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Artifact, decodeArtifact } from '../../../dist/artifact/artifact.js';
import { entryName } from '../../../dist/caches/entry-name.js';
import type { WhyDocument } from '../../../dist/cli/why/document.js';
import { ModuleHash } from '../../../dist/index.js';
import { sumModule } from '../../../dist/testing/modules.js';
import { SECRET } from '../../support/bundles.js';
import { jsonOf, OTHER_ENGINE, putArtifact, runCli, shapeOf } from '../../support/cli.js';
import { engineIdOfPrograms, snapshot } from '../../support/learning.js';
import { register, runProgram, temporaryDirectory } from '../../support/processes.js';
import { quarantine } from '../../support/quarantine.js';
import { moduleOf, named, section, vector } from '../../support/wasm-binary.js';

const here = engineIdOfPrograms();
const onPosix = { skip: process.geteuid ? false : 'no file modes here' };
// The module that programs/hot.mjs compiles.
const wireBytes = sumModule({ offset: 5, padding: 70_000 });
const key = ModuleHash.sha256(wireBytes);

const files = temporaryDirectory();
const write = (name: string, bytes: Uint8Array | string) => {
  writeFileSync(path.join(files, name), bytes);
  return path.join(files, name);
};
const module = write('sum.wasm', wireBytes);

/** The artifact that a program stored, and its path. */
const hot = path.join(temporaryDirectory(), 'cache');
let artifact: Artifact;

before(() => {
  const nodeOptions = ['--import', register];
  assert.equal(runProgram('hot.mjs', { nodeOptions, env: { WASM_CACHE_DIR: hot } }).status, 0);
  artifact = decodeArtifact(readFileSync(path.join(hot, entryName({ key, engineId: here }))));
});

const why = (directory: string, args: string[] = [], env: Record<string, string> = {}, code = 1) =>
  jsonOf<WhyDocument>(['why', module, '--dir', directory, ...args], { env }, code);

/** A folder with the artifact after a change. */
function stored(changes: Partial<Artifact> = {}, options: Parameters<typeof putArtifact>[2] = {}): string {
  const directory = temporaryDirectory();
  putArtifact(directory, { ...artifact, ...changes }, options);
  return directory;
}

const engineShape = {
  ...{ id: 'string', node: 'string', v8: 'string', platform: 'string', arch: 'string', tag: 'string' },
  ...{ isThisNode: 'boolean', isThisEngine: 'boolean' },
};
const artifactShape = {
  ...{ key: 'string', file: 'string', size: 'number', moduleSize: 'number', nativeCodeSize: 'number' },
  ...{ coverage: 'string', generation: 'number', final: 'boolean', bypassedUntil: 'null', signed: 'boolean' },
  ...{ engine: engineShape, writtenAt: 'string', usedAt: 'string', damage: 'null' },
};
const common = {
  ...{ module: 'string', moduleSize: 'number', key: 'string', directory: 'string', engine: engineShape },
  ...{ node: { binary: 'string', options: [], nodeOptions: 'null' }, hit: 'boolean' },
};

describe('wasm-cache why explains a hit', () => {
  it('says so, after a process has loaded it, and changes nothing', () => {
    const before = snapshot(hot);
    const { status, stdout, stderr } = runCli(['why', module, '--dir', hot]);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^hit: .*sum.wasm comes from the folder, loaded in [\d.]+ ms\n\nKey +[0-9a-f]{64}\n/);
    assert.deepEqual(snapshot(hot), before);
  });

  it('prints JSON of the documented shape', () => {
    assert.deepEqual(shapeOf(why(hot, [], {}, 0)), {
      ...{ ...common, source: 'string', reasons: [], optionsOfEngine: 'null', loadMilliseconds: 'number' },
      ...{ artifact: artifactShape, others: [], notes: [] },
    });
  });

  it('in another node binary, when it is the same Node', () => {
    const document = why(hot, ['--node', process.execPath], {}, 0);
    assert.deepEqual([document.hit, document.node.binary], [true, process.execPath]);
  });

  it('with options that do not change the flags of V8', () => {
    assert.ok(why(hot, ['--', '--no-warnings', '--import', 'data:text/javascript,console.log(1)'], {}, 0).hit);
  });

  it('in the store behind the folder', () => {
    const env = { WASM_CACHE_REMOTE: pathToFileURL(hot).href, WASM_CACHE_ALLOW_UNSIGNED: '1' };
    const empty = temporaryDirectory();
    const document = why(empty, [], env, 0);
    assert.deepEqual([document.hit, document.source, document.artifact, document.reasons], [true, 'store', null, []]);
    assert.deepEqual(snapshot(empty), {});
  });

  it('with a note if a program that uses compile options would miss', () => {
    const imports = section(2, vector([[...named('wasm:js-string'), ...named('length'), 0x00, 0]]));
    const builtins = write('builtins.wasm', moduleOf(section(1, vector([[0x60, 1, 0x6f, 1, 0x7f]])), imports));
    const document = jsonOf<WhyDocument>(['why', builtins, '--dir', hot], {}, 1);
    assert.match(document.notes[0] ?? '', /^It imports from wasm:js-string. A program that compiles it with options/);
  });
});

describe('wasm-cache why explains a miss', () => {
  /** The only reason. Checks that the text names it, too. */
  const onlyReason = (directory: string, args: string[] = [], env: Record<string, string> = {}) => {
    const { hit, reasons } = why(directory, args, env);
    assert.equal(hit, false);
    assert.equal(reasons.length, 1, JSON.stringify(reasons));
    const [reason] = reasons as [WhyDocument['reasons'][number]];
    const { status, stdout } = runCli(['why', module, '--dir', directory, ...args], { env });
    assert.equal(status, 1);
    assert.match(stdout, /^miss: V8 compiles .*sum.wasm\n/);
    assert.ok(stdout.includes(`  why  ${reason.message}\n`), stdout);
    return [reason.code, reason.message, reason.advice ?? ''] as const;
  };

  it('prints JSON of the documented shape', () => {
    const others = [{ artifact: artifactShape, why: ['string'] }];
    const reasons = [{ code: 'string', message: 'string', advice: 'string' }];
    assert.deepEqual(shapeOf(why(stored({ engineId: OTHER_ENGINE }))), {
      ...{ ...common, source: 'null', reasons, optionsOfEngine: 'null', loadMilliseconds: 'null' },
      ...{ artifact: 'null', others, notes: [] },
    });
  });

  it('not found', () => {
    const [code, message, advice] = onlyReason(temporaryDirectory());
    assert.equal(code, 'not-found');
    assert.match(message, /^nothing is stored for it in \//);
    assert.match(advice, /node --import wasm-module-cache\/register/);
    assert.equal(onlyReason(path.join(temporaryDirectory(), 'none'))[0], 'not-found');
  });

  it('another Node', () => {
    const [code, message] = onlyReason(stored({ engineId: OTHER_ENGINE }));
    assert.equal(code, 'other-engine');
    assert.equal(message, `it is stored for another engine only: made by Node v25.1.0, this is ${process.version}`);
  });

  it('V8 flags, by options or NODE_OPTIONS: says which', () => {
    for (const [args, env] of [
      [['--', '--no-warnings', '--stack-trace-limit=50'], {}],
      [[], { NODE_OPTIONS: '--no-warnings --stack-trace-limit=50' }],
    ] as [string[], Record<string, string>][]) {
      const [code, message, advice] = onlyReason(hot, args, env);
      assert.equal(code, 'other-engine');
      assert.match(message, /with other V8 flags: the option --stack-trace-limit=50 changes them$/);
      assert.match(advice, /^leave that option out, or run/);
      assert.deepEqual(why(hot, args, env).optionsOfEngine, ['--stack-trace-limit=50']);
    }
  });

  it('V8 flags or CPU features, if no option explains it', () => {
    const directory = stored({ engineId: `${here.slice(0, -8)}00000000` });
    const [code, message] = onlyReason(directory);
    assert.equal(code, 'other-engine');
    assert.match(message, /for this Node, but with other V8 flags or CPU features: tag 00000000, here [0-9a-f]{8}/);
    assert.match(onlyReason(directory, ['--', '--no-warnings'])[1], /; none of the given options changes them$/);
  });

  it('no trap handler', () => {
    const [code, message] = onlyReason(hot, ['--', '--disable-wasm-trap-handler']);
    assert.equal(code, 'unsupported');
    assert.match(message, /trap handler is off/);
  });

  it('turned off', () => {
    assert.deepEqual(onlyReason(hot, [], { WASM_CACHE_DISABLE: '1' }), [
      ...['disabled', 'the cache is turned off by WASM_CACHE_DISABLE=1', 'unset WASM_CACHE_DISABLE'],
    ]);
    assert.match(onlyReason(hot, [], { WASM_CACHE_MODE: 'off' })[1], /by WASM_CACHE_MODE=off$/);
  });

  it('too small', () => {
    const [code, message, advice] = onlyReason(hot, [], { WASM_CACHE_MIN_MODULE_SIZE: '1MiB' });
    assert.deepEqual(
      [code, message],
      ['too-small', 'the module is too small: it has 68 KiB, and the hook caches modules from 1.0 MiB'],
    );
    assert.match(advice, /WASM_CACHE_MIN_MODULE_SIZE to 70\d\d\d or less/);
  });

  it('damaged: a checksum, and cut off', () => {
    const [code, message] = onlyReason(stored({}, { change: (bytes) => bytes.fill(0, 400, 500) }));
    assert.equal(code, 'damaged');
    assert.match(message, /checksum of the native code does not match/);
    assert.match(
      onlyReason(stored({}, { change: (bytes) => bytes.subarray(0, 400) }))[1],
      /400 bytes where the header announces/,
    );
    assert.match(onlyReason(stored({}, { change: (bytes) => bytes.subarray(0, 40) }))[1], /ends inside the header/);
  });

  it('not signed, or with another secret', () => {
    const env = { WASM_CACHE_SECRET: SECRET };
    assert.equal(onlyReason(stored(), [], env)[0], 'unsigned');
    assert.equal(onlyReason(stored({}, { secret: 'a-secret-of-somebody-else' }), [], env)[0], 'other-secret');
    assert.ok(why(stored({}, { secret: SECRET }), [], env, 0).hit);
  });

  it('bypassed, because it did not pay', () => {
    const nothing = { coverage: 'none', nativeCode: new Uint8Array(0) } as const;
    const inAnHour = Math.ceil(Date.now() / 60_000) + 60;
    const [code, message] = onlyReason(stored({ ...nothing, bypassedUntil: inAnHour }));
    assert.equal(code, 'bypassed');
    assert.ok(message.includes(new Date(inAnHour * 60_000).toISOString()), message);
    assert.equal(onlyReason(stored({ ...nothing, bypassedUntil: inAnHour - 120 }))[0], 'nothing-optimised');
  });

  it('quarantined by the crash guard', () => {
    const directory = stored();
    quarantine(path.join(directory, entryName(artifact)), { deaths: 2, goodTries: 1 });
    const [code, message] = onlyReason(directory);
    assert.equal(code, 'quarantined');
    assert.match(message, /^it is in quarantine: 2 processes ended while they loaded it/);
  });

  it('refused by V8', () => {
    assert.equal(onlyReason(stored({ nativeCode: Buffer.alloc(1000, 'no native code') }))[0], 'refused');
  });

  it('a folder that others may write to', onPosix, () => {
    const directory = temporaryDirectory();
    cpSync(hot, directory, { recursive: true });
    chmodSync(directory, 0o777);
    const [code, message] = onlyReason(directory);
    assert.equal(code, 'untrusted-folder');
    assert.match(message, /can be written by others/);
  });

  it('not in the store either, or the store fails', () => {
    const empty = path.join(temporaryDirectory(), 'store');
    mkdirSync(empty);
    const allow = { WASM_CACHE_ALLOW_UNSIGNED: '1' };
    const document = why(temporaryDirectory(), [], { ...allow, WASM_CACHE_REMOTE: pathToFileURL(empty).href });
    assert.deepEqual(
      document.reasons.map(({ code }) => code),
      ['not-found', 'not-in-store'],
    );
    const down = why(temporaryDirectory(), [], { ...allow, WASM_CACHE_REMOTE: 'http://user:hidden@127.0.0.1:1/' });
    assert.equal(down.reasons[1]?.code, 'store-failed');
    assert.ok(!JSON.stringify(down).includes('hidden'));
  });

  it('no module: says why V8 refuses it', () => {
    const invalid = write('invalid.wasm', Buffer.concat([wireBytes.subarray(0, 8), Buffer.alloc(70_000, 0xff)]));
    const { status, stdout } = runCli(['why', invalid, '--dir', hot]);
    assert.equal(status, 1);
    assert.match(stdout, /^miss: V8 rejects .*invalid.wasm\n {2}why {2}Node v[\d.]+: WebAssembly.Module\(\): .*@\+\d+/);
  });
});

it('wasm-cache why says which argument is wrong', () => {
  const program = write(
    'program.mjs',
    `import fs from 'node:fs'; fs.writeFileSync(${JSON.stringify(path.join(files, 'ran'))}, '');`,
  );
  copyFileSync(module, path.join(files, 'copy.wat'));
  for (const [args, message] of [
    [[], /missing required argument 'module'/],
    [['missing.wasm'], /There is no file .*missing.wasm/],
    [[program], /is not a WebAssembly binary: it begins with 696d706f/],
    [[module, '--', program], /Only options of node may follow --, with "=" before a value, and not '.*program.mjs'/],
    [[module, '--', '-e', '1'], /With the option -e node would run something else/],
    [[module, '--', '--no-such-option'], /bad option: --no-such-option/],
    [[module, '--node', '/no/such/node'], /\/no\/such\/node cannot be started: .*ENOENT/],
    [[module, '--node'], /option '--node <binary>' argument missing/],
  ] as const) {
    const { status, stdout, stderr } = runCli(['why', ...args]);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.match(stderr, message);
  }
});
