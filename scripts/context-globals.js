// The globals of what the hook evaluates in a context of node:vm: what programs get to see is the context's own, all else the main
// context's. They come from syntax and from the caller, because a look at a global of the context may call code of the program.
export const Array = [].constructor;
export const Function = (() => {}).constructor;
export const Object = {}.constructor;
export const Promise = (async () => {})().constructor;
export const {
  ArrayBuffer,
  Buffer,
  Error,
  Number,
  Proxy,
  Reflect,
  String,
  Symbol,
  Uint8Array,
  WeakMap,
  process,
  setImmediate,
} = host.globals;
