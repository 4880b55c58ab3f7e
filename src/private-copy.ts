/**
 * Copies wire bytes, so that nobody else can change them.
 *
 * @throws {TypeError} when they are neither an `ArrayBuffer` (or a shared one) nor a view of one.
 */
export function privateCopy(source: BufferSource): Uint8Array<ArrayBuffer> {
  if (!ArrayBuffer.isView(source) && !isArrayBuffer(source)) {
    throw new TypeError(`Wire bytes must be an ArrayBuffer, a typed array or a DataView, not ${typeof source}`);
  }
  const view = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
  // A new array and set() make an ordinary buffer of a shared one, too.
  const copy = new Uint8Array(view.byteLength);
  copy.set(view);
  return copy;
}

function isArrayBuffer(source: unknown): source is ArrayBuffer {
  const tag = Object.prototype.toString.call(source);
  return tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]';
}
