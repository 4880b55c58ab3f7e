// --import bench/ways-in.mjs: writes a line of JSON into the file that WAYS_IN names, for each module that V8 compiles for a program, its
// worker threads or its child processes: the function that compiled it, its size, the kind of thread, and the start of its hash.
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

// Captured: programs replace globals.
const { WAYS_IN } = process.env;
const { Module, compile, instantiate, compileStreaming, instantiateStreaming } = WebAssembly;
const isWorker = !isMainThread;

function note(way, source) {
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : source instanceof ArrayBuffer || source instanceof SharedArrayBuffer
      ? new Uint8Array(source)
      : undefined;
  if (!bytes) return; // a module, or something invalid
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
// V8 reports what is wrong with a response.
WebAssembly.compileStreaming = function (...args) {
  const noted = noteResponse('compileStreaming', args[0]).catch(() => {});
  return noted.then(() => Reflect.apply(compileStreaming, this, args));
};
WebAssembly.instantiateStreaming = function (...args) {
  const noted = noteResponse('instantiateStreaming', args[0]).catch(() => {});
  return noted.then(() => Reflect.apply(instantiateStreaming, this, args));
};
