// Whether a node binary exports what the addon looks up in it. The names are those in the addon's source.
import { readdirSync, readFileSync } from 'node:fs';

const native = new URL('../../native/', import.meta.url);
const RESOLVED = /Resolve\((\w+)\.(\w+),\s*((?:"\w+"\s*)+)\)/g;

/** For whom a symbol is: saving and loading, only one of the two doors to loading, or what is only faster with it. */
function purposeOf(owner, field) {
  if (owner !== 'v8') return 'speed';
  return field.startsWith('compilation_') ? 'loading' : 'all';
}

export function symbolsOf(binary) {
  const bytes = readFileSync(binary);
  const sources = readdirSync(native).map((file) => readFileSync(new URL(file, native), 'utf8'));
  const found = new Map();
  for (const [, owner, field, parts] of sources.flatMap((source) => [...source.matchAll(RESOLVED)])) {
    const symbol = parts.replaceAll(/["\s]/g, '');
    const isPresent = bytes.includes(`${symbol}\0`);
    // One function under two names, of which either will do.
    if (found.get(field)?.isPresent) continue;
    found.set(field, {
      field,
      symbol,
      purpose: purposeOf(owner, field),
      isPresent,
      others: isPresent ? [] : overloads(bytes, symbol),
    });
  }
  return [...found.values()];
}

/** What the binary has of the same function with other arguments. */
function overloads(bytes, symbol) {
  const [name] = /^_ZNK?(?:\d+[A-Za-z]\w*?)+?E/.exec(symbol) ?? [];
  const names = new Set();
  if (name === undefined) return [];
  for (let at = bytes.indexOf(name); at >= 0 && names.size < 5; at = bytes.indexOf(name, at + 1)) {
    names.add(bytes.toString('latin1', at, bytes.indexOf(0, at)));
  }
  return [...names];
}

const TODO = {
  all: 'native/v8.cc: it has gone or has other arguments; read v8-wasm.h of this version',
  loading: 'native/v8.cc: without these and the intrinsic nothing is loaded; look for another door in v8-wasm.h',
};

/** @param hasNatives - whether the other door to loading is there */
export function checkSymbols({ binary }, hasNatives) {
  return symbolsOf(binary).map(({ field, symbol, isPresent, others, purpose }) => {
    const isNeeded = purpose === 'all' || (purpose === 'loading' && !hasNatives);
    const instead = others.length > 0 ? `; there is ${others.join(', ')}` : '';
    const found = isNeeded ? `missing: ${symbol}${instead}` : 'missing, and not needed';
    return {
      what: field,
      status: isPresent || !isNeeded ? 'ok' : 'breaks',
      found: isPresent ? 'present' : found,
      todo: isPresent || !isNeeded ? '' : TODO[purpose],
    };
  });
}
