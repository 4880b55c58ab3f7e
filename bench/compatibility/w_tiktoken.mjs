// Counts tokens.
import { get_encoding } from 'tiktoken';
import { printResult } from './result.mjs';

const encoding = get_encoding('cl100k_base');
const text = Array.from(
  { length: 300 },
  (_, i) => `Sentence ${i}: the quick brown fox, naïve café and ${i * 31} tokens.`,
).join('\n');
printResult(encoding.encode(text));
encoding.free();
