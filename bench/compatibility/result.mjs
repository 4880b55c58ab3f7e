// Prints the result of a program as a line that the benchmarks compare.
import { createHash } from 'node:crypto';

/** Prints the digest of text, bytes, or anything that JSON can hold. */
export function printResult(value) {
  const content = typeof value === 'string' || ArrayBuffer.isView(value) ? value : JSON.stringify(value);
  if (content === undefined || content.length === 0) throw new Error('There is no result');
  console.log(`RESULT ${createHash('sha256').update(content).digest('hex')} ${content.length}`);
}

/** A picture that is the same each time. */
export function picture(width, height) {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < data.length; i++) data[i] = i % 4 === 3 ? 255 : (((i >> 2) % width) * 3 + i / width / 5) & 0xff;
  return { data, width, height, colorSpace: 'srgb' };
}
