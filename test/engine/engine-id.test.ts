import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { describeEngine, V8Engine, whyNotThisEngine } from '../../dist/index.js';
import { runProgram } from '../support/processes.js';

const PARTS = {
  node: 'v26.10.0',
  v8: '14.6.202.34-node.18',
  machine: 'linux-x64',
  size: '129387408',
  rest: 'trap_tag-310b2ce3',
};

function idOf(changes: Partial<typeof PARTS> = {}): string {
  const { node, v8, machine, size, rest } = { ...PARTS, ...changes };
  return `node-${node}_v8-${v8}_${machine}_bin-${size}_${rest}`;
}

describe('describeEngine', () => {
  it('takes the id of this process apart', () => {
    const { version, versions, platform, arch, execPath } = process;
    const { deterministicId } = new V8Engine();
    assert.deepEqual(describeEngine(deterministicId), {
      node: version,
      v8: versions.v8,
      platform,
      arch,
      binarySize: statSync(execPath).size,
      trapHandler: true,
      tag: deterministicId.slice(-8),
    });
  });

  it('takes the id of a process without the trap handler apart', () => {
    const { stdout } = runProgram('engine-id.mjs', { nodeOptions: ['--disable-wasm-trap-handler'] });
    const described = describeEngine(stdout.trim());
    assert.deepEqual([described?.node, described?.trapHandler, described?.tag], [process.version, false, undefined]);
  });

  it('understands custom builds, and binaries of unknown size', () => {
    const id = idOf({ node: 'v27.0.0-nightly20261101abc', size: 'unknown' });
    assert.deepEqual(
      [describeEngine(id)?.node, describeEngine(id)?.binarySize],
      ['v27.0.0-nightly20261101abc', undefined],
    );
  });

  for (const id of [
    '',
    'fake-engine-1',
    idOf({ rest: 'trap' }),
    idOf({ rest: 'trap_tag-xyz' }),
    ` ${idOf()}`,
    `${idOf()}\n`,
  ]) {
    it(`does not take ${JSON.stringify(id)} apart`, () => assert.equal(describeEngine(id), undefined));
  }
});

const different: [what: string, changes: Partial<typeof PARTS>, reasons: (string | RegExp)[]][] = [
  ['nothing', {}, []],
  [
    'the version of Node, and all that comes with it',
    { node: 'v24.1.0', v8: '13.6.233.8-node.12', size: '118000000', rest: 'trap_tag-11223344' },
    ['made by Node v24.1.0, this is v26.10.0'],
  ],
  [
    'the version of Node, and a flag',
    { node: 'v26.9.0', size: '118000000', rest: 'trap_tag-11223344' },
    ['made by Node v26.9.0, this is v26.10.0', /^other V8 flags or CPU features: tag 11223344, here 310b2ce3 \(/],
  ],
  ['V8 alone', { v8: '14.7.1' }, ['made by V8 14.7.1, this is 14.6.202.34-node.18']],
  [
    'the machine, and all that comes with it',
    { machine: 'linux-arm64', size: '118000000', rest: 'trap_tag-11223344' },
    ['made on linux-arm64, this is linux-x64'],
  ],
  ['the platform', { machine: 'win32-x64' }, ['made on win32-x64, this is linux-x64']],
  [
    'the build',
    { size: '118000000' },
    ['another build of the same Node: its binary has 118000000 bytes, this one 129387408 bytes'],
  ],
  [
    'that the size is not known',
    { size: 'unknown' },
    ['another build of the same Node: its binary has an unknown size, this one 129387408 bytes'],
  ],
  [
    'the tag',
    { rest: 'trap_tag-11223344' },
    [/^other V8 flags or CPU features: tag 11223344, here 310b2ce3 \(.*does not tell which\)$/],
  ],
  [
    'the trap handler',
    { rest: 'unsupported' },
    ['made without the trap handler, or where native code is not supported for another reason'],
  ],
];

describe('whyNotThisEngine names', () => {
  for (const [what, changes, expected] of different) {
    it(what, () => {
      const reasons = whyNotThisEngine(idOf(changes), idOf());
      assert.equal(reasons.length, expected.length, reasons.join('; '));
      for (const [index, reason] of expected.entries()) {
        if (typeof reason === 'string') assert.equal(reasons[index], reason);
        else assert.match(reasons[index] as string, reason);
      }
    });
  }

  it('a process that cannot load native code, with its reason if known', () => {
    const here = idOf({ rest: 'unsupported' });
    assert.match(
      whyNotThisEngine(idOf(), here).join(),
      /^native code is not supported in this process: the trap handler/,
    );
    assert.deepEqual(whyNotThisEngine(idOf(), here, 'because'), [
      'native code is not supported in this process: because',
    ]);
  });

  it('engines of other kinds, by their ids', () => {
    assert.deepEqual(whyNotThisEngine('mine', 'yours'), ['made by the engine "mine", this is "yours"']);
    assert.deepEqual(whyNotThisEngine('mine', 'mine'), []);
  });

  it('an option for V8 in the same Node', () => {
    const { stdout } = runProgram('engine-id.mjs', { nodeOptions: ['--no-opt'] });
    assert.match(whyNotThisEngine(stdout.trim(), new V8Engine().deterministicId).join('\n'), /^other V8 flags/);
  });
});
