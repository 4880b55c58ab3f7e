import assert from 'node:assert/strict';
import { CacheError, type CacheErrorKind } from '../cache-error.js';
import { instantiate } from './modules.js';

/** For `assert.throws` and `assert.rejects`: accepts a `CacheError` of this kind; `check` may test it further. */
export function ofKind(kind: CacheErrorKind, check?: (error: CacheError) => void): (error: unknown) => true {
  return (error) => {
    assert.ok(CacheError.is(error), `a CacheError, not ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    check?.(error);
    return true;
  };
}

/** Asserts that two modules have the same exports and the same results. */
export function assertSameModule(actual: WebAssembly.Module, expected: WebAssembly.Module): void {
  assert.ok(actual instanceof WebAssembly.Module);
  assert.deepEqual(WebAssembly.Module.exports(actual), WebAssembly.Module.exports(expected));
  assert.equal(instantiate(actual).sum(10), instantiate(expected).sum(10));
}
