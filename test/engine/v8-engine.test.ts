import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import { type NativeCode, readNativeCode } from '../../dist/engine/native-code.js';
import { countFunctions, withOnlyBodies } from '../../dist/engine/wasm-binary.js';
import { CacheError, ModuleHash, V8Engine } from '../../dist/index.js';
import { ofKind } from '../../dist/testing/assertions.js';
import { instantiate, optimise, sumModule } from '../../dist/testing/modules.js';
import { everythingModule, FUNCTION_NAMES, observeEverything, warmUp } from '../support/everything.js';
import { runProgram } from '../support/processes.js';

const engine = new V8Engine();
const serialize = (module: WebAssembly.Module) => engine.serialize(module);

test('this Node is supported', () => {
  assert.equal(engine.unsupportedReason, undefined);
  assert.equal(engine.canSerialize, true);
});

test('a fresh module has nothing optimised to serialise', () => {
  assert.equal(engine.serialize(engine.compileSync(sumModule())), undefined);
});

test('native code is restored: the loaded module holds optimised code and computes the same', async () => {
  const wireBytes = sumModule({ offset: 7 });
  const nativeCode = await optimise(await engine.compile(wireBytes), serialize);
  const restored = engine.deserialize(nativeCode, wireBytes);
  assert.equal(Object.prototype.toString.call(restored), '[object WebAssembly.Module]');
  assert.ok((engine.serialize(restored)?.length ?? 0) > 0, 'serialising it again is not empty');
  assert.equal(instantiate(restored).sum(10), 62);
  assert.throws(() => instantiate(restored).peek(65_536), WebAssembly.RuntimeError);
});

test('native code and wire bytes may be views at an offset of larger buffers', async () => {
  const wireBytes = sumModule({ offset: 1 });
  const nativeCode = await optimise(engine.compileSync(wireBytes), serialize);
  const shifted = (bytes: Uint8Array) => {
    const larger = new Uint8Array(bytes.length + 33).fill(0xcc);
    larger.set(bytes, 13);
    return larger.subarray(13, 13 + bytes.length);
  };
  assert.equal(instantiate(engine.deserialize(shifted(nativeCode), shifted(wireBytes))).sum(3), 7);
});

for (const padding of [0, 1_000_000]) {
  test(`a module is restored in two steps, ${padding} bytes larger`, async () => {
    const wireBytes = sumModule({ offset: 7, padding });
    const nativeCode = await optimise(await engine.compile(wireBytes), serialize);
    const received = engine.receive(wireBytes);
    assert.equal(`${received.key}`, `${ModuleHash.sha256(wireBytes)}`);
    const restored = received.finish(nativeCode);
    assert.ok((engine.serialize(restored)?.length ?? 0) > 0);
    assert.equal(instantiate(restored).sum(10), 62);
    received.abandon(); // too late, which is harmless

    const abandoned = engine.receive(wireBytes);
    abandoned.abandon();
    abandoned.abandon();

    const refused = engine.receive(wireBytes);
    const ofAnotherV8 = nativeCode.slice();
    ofAnotherV8[4] = (ofAnotherV8[4] as number) ^ 0xff;
    assert.throws(() => refused.finish(ofAnotherV8), ofKind('Deserialize'));
    refused.abandon();
  });
}

test('a module is read in another thread, and the result may be used or not', () => {
  for (const padding of [1, 1_000_000]) {
    const wireBytes = sumModule({ offset: 7, padding });
    const module = engine.compileSync(wireBytes);
    engine.analyse(module);
    const analysis = engine.analyse(module);
    const cut = withOnlyBodies(module, new Set([1]), true);
    assert.deepEqual(withOnlyBodies(module, new Set([1]), true, analysis), cut);
    assert.equal(`${engine.keyOf(analysis)}`, `${ModuleHash.sha256(wireBytes)}`);
    assert.equal(`${engine.keyOf(analysis)}`, `${ModuleHash.sha256(wireBytes)}`);
    assert.deepEqual(withOnlyBodies(module, new Set([1]), true, analysis), cut);
  }
  assert.throws(() => engine.analyse({} as never), TypeError);
  assert.throws(() => engine.keyOf({} as never), TypeError);
});

test('threads and processes may end with modules that were received and never finished', () => {
  const { status, signal, stdout, stderr } = runProgram('receive.mjs', { args: ['3000000'] });
  assert.deepEqual([status, signal, stdout, stderr], [0, null, 'ended\n', '']);
});

test('what ran is observed without leaving a trace in the flags', async () => {
  const wireBytes = everythingModule();
  const module = engine.compileSync(wireBytes);
  assert.equal(engine.observe(module), undefined, 'V8 tells nothing of a module in which it optimised nothing');
  await warmUp(engine, module, wireBytes);
  observeEverything(module);
  const { deterministicId } = engine;
  const [told, observed] = [engine.serialize(module), engine.observe(module)].map((nativeCode) =>
    readNativeCode(nativeCode as Uint8Array, countFunctions(wireBytes)),
  ) as [NativeCode, NativeCode];
  assert.equal(engine.deterministicId, deterministicId);
  assert.ok([...told.optimised].every((i) => observed.optimised.has(i)));
  assert.ok([...told.executed].every((i) => observed.executed.has(i) || observed.optimised.has(i)));
  const { executed, optimised } = observed;
  assert.equal(executed.size + optimised.size, FUNCTION_NAMES.length - 1);
  const neverCalled = FUNCTION_NAMES.indexOf('neverCalled');
  assert.ok(neverCalled >= 0 && !executed.has(neverCalled) && !optimised.has(neverCalled));
});

test('wire bytes in shared or resizable memory are copied before V8 sees them', async () => {
  const wireBytes = sumModule({ offset: 2 });
  const nativeCode = await optimise(engine.compileSync(wireBytes), serialize);
  for (const buffer of [
    new SharedArrayBuffer(wireBytes.length),
    new ArrayBuffer(wireBytes.length, { maxByteLength: 2 * wireBytes.length }),
  ]) {
    const view = new Uint8Array(buffer);
    view.set(wireBytes);
    assert.equal(instantiate(engine.deserialize(nativeCode, view)).sum(3), 8);
  }
});

test('native code of another V8 is refused cleanly', async () => {
  const wireBytes = sumModule({ offset: 3 });
  const nativeCode = await optimise(engine.compileSync(wireBytes), serialize);
  const other = nativeCode.slice();
  other[4] = (other[4] as number) ^ 0xff; // a byte of V8's version hash
  assert.throws(
    () => engine.deserialize(other, wireBytes),
    (error) => CacheError.is(error, 'Deserialize'),
  );
});

test('a process survives refusals (Node 26 crashed when V8 reported the module that it compiled instead)', () => {
  const { status, signal, stdout } = runProgram('refused-native-code.mjs');
  assert.deepEqual([status, signal, stdout.trim()], [0, null, 'alive 9']);
});

test('the wire bytes of a module are a copy of what it was compiled from', () => {
  const wireBytes = sumModule({ offset: 4 });
  const module = engine.compileSync(wireBytes);
  assert.deepEqual(new Uint8Array(engine.wireBytes(module)), wireBytes);
  engine.wireBytes(module).fill(0);
  assert.deepEqual(new Uint8Array(engine.wireBytes(module)), wireBytes);
});

test('a module knows its wire bytes', () => {
  const module = engine.compileSync(sumModule({ offset: 5 }));
  assert.equal(engine.hasWireBytes(module, sumModule({ offset: 5 })), true);
  assert.equal(engine.hasWireBytes(module, sumModule({ offset: 6 })), false);
  assert.equal(engine.hasWireBytes(module, sumModule({ offset: 5, padding: 1 })), false);
});

test('a clone is another object over the same code', async () => {
  const module = engine.compileSync(sumModule({ offset: 8 }));
  const nativeCode = await optimise(module, serialize);
  const clone = engine.clone(module) as WebAssembly.Module;
  assert.notEqual(clone, module);
  assert.equal(clone.constructor, WebAssembly.Module);
  assert.ok((engine.serialize(clone)?.length ?? 0) >= nativeCode.length);
  assert.equal(instantiate(clone).sum(3), 14);
});

test('what is not a module is a TypeError and never reaches V8', () => {
  const module = engine.compileSync(sumModule());
  for (const impostor of [
    undefined,
    null,
    1,
    'x',
    {},
    new Proxy(module, {}),
    Object.create(WebAssembly.Module.prototype),
  ]) {
    assert.throws(() => engine.serialize(impostor), TypeError);
    assert.throws(() => engine.wireBytes(impostor), TypeError);
    assert.throws(() => engine.clone(impostor), TypeError);
    assert.throws(() => engine.hasWireBytes(impostor, sumModule()), TypeError);
  }
});

test('the deterministic id follows the flags of V8 at once, there and back', () => {
  const before = engine.deterministicId;
  v8.setFlagsFromString('--stack-size=1500');
  const changed = engine.deterministicId;
  v8.setFlagsFromString('--stack-size=984');
  assert.notEqual(changed, before);
  assert.equal(engine.deterministicId, before);
});

test('code that was compiled under other flags is not serialised under these', async () => {
  const module = engine.compileSync(sumModule({ offset: 9 }));
  await optimise(module, serialize);
  v8.setFlagsFromString('--stack-size=1500');
  try {
    assert.throws(
      () => engine.serialize(module),
      (error) => CacheError.is(error, 'Serialize'),
    );
  } finally {
    v8.setFlagsFromString('--stack-size=984');
  }
  assert.ok(engine.serialize(module));
});

test('the deterministic id names what it depends on', () => {
  const { deterministicId } = engine;
  for (const part of [process.version, process.versions.v8, process.platform, process.arch]) {
    assert.ok(deterministicId.includes(part), `${deterministicId} names ${part}`);
  }
  assert.equal(new V8Engine().deterministicId, deterministicId);
});

test('opening the doors leaves the flags of V8 as they were', () => {
  const { status, stdout } = runProgram('flags-restored.mjs');
  assert.deepEqual([status, stdout.trim()], [0, 'same']);
});

test('natives syntax that the user switched on stays on', () => {
  const { status, stdout } = runProgram('flags-restored.mjs', { nodeOptions: ['--allow-natives-syntax'] });
  assert.deepEqual([status, stdout.trim()], [0, 'same']);
});

test('flags that are changed for a moment while workers start are set back, and the id stays', () => {
  const { status, stdout, stderr } = runProgram('flags-while-workers-start.mjs');
  assert.deepEqual([status, stdout.trim()], [0, '{"flagStayedOn":0,"otherId":0}'], stderr);
});

for (const moment of ['opening', 'observing']) {
  test(`a worker that is killed while ${moment} leaves the flags of V8 as they were`, () => {
    const { status, stdout, stderr } = runProgram('killed-while-flags-are-changed.mjs', { args: [moment] });
    assert.deepEqual([status, stdout], [0, 'same\ntrue\n'], stderr);
  });
}

const major = Number(process.versions.node.split('.')[0]);

for (const { name, nodeOptions = [], limit, reason } of [
  { name: 'jitless', nodeOptions: ['--jitless'], reason: /no WebAssembly/ },
  { name: 'trap handler off', nodeOptions: ['--disable-wasm-trap-handler'], reason: /trap handler/ },
  { name: 'frozen flags', nodeOptions: ['--freeze_flags-after-init'], reason: /--freeze-flags-after-init/ },
  { name: 'a limited address space', limit: 30_000_000, reason: /trap handler/ },
  ...(major < 26
    ? [
        {
          name: 'no code from strings',
          nodeOptions: ['--disallow-code-generation-from-strings'],
          reason: /deserialiser/,
        },
      ]
    : []),
]) {
  const skip =
    limit !== undefined && process.env.ASAN_OPTIONS !== undefined && 'AddressSanitizer needs more address space';
  test(`unsupported, with the reason, and everything else as before: ${name}`, { skip }, () => {
    const result = runProgram(
      'unsupported.mjs',
      limit ? { nodeOptions, limitAddressSpaceKiB: limit } : { nodeOptions },
    );
    assert.deepEqual([result.status, result.signal], [0, null], result.stderr);
    const report = JSON.parse(result.stdout);
    assert.equal(report.canSerialize, false);
    assert.match(report.reason, reason);
    assert.equal(report.works, true);
  });
}
