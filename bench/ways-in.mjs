// --import bench/ways-in.mjs: notes each module that a program, its worker threads or its child processes have V8 compile, as a line
// of JSON in the file that WAYS_IN names: by which function, from how many bytes, in which kind of thread, and the start of its hash.
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

// Programs change what they find.
const { WAYS_IN } = process.env;
const { Module, compile, instantiate, compileStreaming, instantiateStreaming } = WebAssembly;
const isWorker = !isMainThread;

function note(way, source) {
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : source instanceof ArrayBuffer || source instanceof SharedArrayBuffer
      ? new Uint8Array(source)
      : undefined;
  if (!bytes) return; // a module to be instantiated, or nothing valid
  const key = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  appendFileSync(WAYS_IN, `${JSON.stringify({ way, bytes: bytes.length, isWorker, key })}\n`);
}

async function noteResponse(way, source) {
  const response = (await source).clone();
  note(way, await response.arrayBuffer());
}

WebAssembly.Module = new Proxy(Module, {
  construct(target, args, newTarget) {
    note('new Module', args[0]);
    return Reflect.construct(target, args, newTarget);
  },
});
Module.prototype.constructor = WebAssembly.Module;
WebAssembly.compile = function (...args) {
  note('compile', args[0]);
  return Reflect.apply(compile, this, args);
};
WebAssembly.instantiate = function (...args) {
  note('instantiate', args[0]);
  return Reflect.apply(instantiate, this, args);
};
// What is wrong with a response is V8's to say.
WebAssembly.compileStreaming = function (...args) {
  const noted = noteResponse('compileStreaming', args[0]).catch(() => {});
  return noted.then(() => Reflect.apply(compileStreaming, this, args));
};
WebAssembly.instantiateStreaming = function (...args) {
  const noted = noteResponse('instantiateStreaming', args[0]).catch(() => {});
  return noted.then(() => Reflect.apply(instantiateStreaming, this, args));
};
