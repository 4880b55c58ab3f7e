// Whether a node binary exports the functions that the addon looks up. Their names are read from the addon's source.
import { readdirSync, readFileSync } from 'node:fs';

const native = new URL('../../native/', import.meta.url);
const RESOLVED = /Resolve\((\w+)\.(\w+),\s*((?:"\w+"\s*)+)\)/g;

/** What a condition of v8.h needs. */
function fieldsOf(condition) {
  const text = readFileSync(new URL('v8.h', native), 'utf8');
  return new RegExp(`${condition}\\(\\) const \\{\\s*return ([^;]+);`).exec(text)[1].match(/\w+/g);
}

const SAVING = fieldsOf('can_serialize');
const LOADING = fieldsOf('can_deserialize');

/** What needs a symbol: saving and loading, one of the two doors to loading, or only speed. */
function purposeOf(owner, field) {
  if (owner !== 'v8') return 'speed';
  return SAVING.includes(field) ? 'all' : LOADING.includes(field) ? 'loading' : 'speed';
}

export function symbolsOf(binary) {
  const bytes = readFileSync(binary);
  const sources = readdirSync(native).map((file) => readFileSync(new URL(file, native), 'utf8'));
  const found = new Map();
  for (const [, owner, field, parts] of sources.flatMap((source) => [...source.matchAll(RESOLVED)])) {
    const symbol = parts.replaceAll(/["\s]/g, '');
    const isPresent = bytes.includes(`${symbol}\0`);
    // One function with two names: either will do.
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

/** The same function with other arguments. */
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
  all: 'native/v8.cc: it is gone or has other arguments: read v8-wasm.h of this version',
  loading: 'native/v8.cc: without these and the intrinsic nothing can be loaded: look for another door in v8-wasm.h',
};

/** @param hasNatives - whether the intrinsic that also loads is there */
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
