import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CacheError, type CacheErrorKind } from '../dist/cache-error.js';

const kinds: CacheErrorKind[] = ['NotFound', 'Serialize', 'Deserialize', 'FileRead', 'FileWrite', 'Untrusted', 'Other'];

/** The class of another copy of this package. Two dependencies of a program may each bring a copy. */
async function otherCopy(): Promise<typeof CacheError> {
  const url = new URL('../dist/cache-error.js?another-copy', import.meta.url).href;
  return ((await import(url)) as { CacheError: typeof CacheError }).CacheError;
}

describe('CacheError', () => {
  it('is an Error with its own name, a message and a kind', () => {
    const error = new CacheError('NotFound', 'nothing there');
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'CacheError');
    assert.equal(error.kind, 'NotFound');
    assert.equal(String(error), 'CacheError: nothing there');
    assert.match(error.stack ?? '', /^CacheError: nothing there\n +at /);
  });

  it('shows its kind, and its path if it has one, and nothing more', () => {
    assert.deepEqual(Object.keys(new CacheError('Other', 'text')), ['kind']);
    assert.deepEqual(Object.keys(new CacheError('Other', 'text', {})), ['kind']);
    assert.deepEqual(Object.entries(new CacheError('FileRead', 'text', { path: '/a' })), [
      ['kind', 'FileRead'],
      ['path', '/a'],
    ]);
  });

  for (const cause of [new Error('the reason'), 'text', null, undefined]) {
    it(`keeps the cause ${String(cause)}`, () => {
      const error = new CacheError('Other', 'text', { cause });
      assert.ok(Object.hasOwn(error, 'cause'));
      assert.equal(error.cause, cause);
    });
  }

  it('has no cause when none is given', () => {
    assert.equal('cause' in new CacheError('Other', 'text', { path: '/a' }), false);
  });
});

describe('CacheError.is', () => {
  for (const kind of kinds) {
    it(`recognises an error of kind ${kind}, without a kind, with that one, and with no other`, () => {
      const error = new CacheError(kind, 'text');
      assert.equal(CacheError.is(error), true);
      assert.deepEqual(
        kinds.filter((each) => CacheError.is(error, each)),
        [kind],
      );
    });
  }

  it('recognises an error of a subclass', () => {
    class Special extends CacheError {}
    assert.equal(CacheError.is(new Special('Other', 'text'), 'Other'), true);
  });

  it('recognises an error of another copy of this package, and the other way round', async () => {
    const Other = await otherCopy();
    assert.notEqual(Other, CacheError);
    const [own, foreign] = [new CacheError('Untrusted', 'text'), new Other('Untrusted', 'text')];
    assert.equal(foreign instanceof CacheError, false);
    assert.deepEqual(
      [CacheError.is(foreign), CacheError.is(foreign, 'Untrusted'), CacheError.is(foreign, 'Other')],
      [true, true, false],
    );
    assert.deepEqual([Other.is(own), Other.is(own, 'Untrusted'), Other.is(own, 'Other')], [true, true, false]);
  });

  const others = [
    undefined,
    null,
    'NotFound',
    5,
    true,
    {},
    { kind: 'NotFound' },
    { name: 'CacheError', kind: 'NotFound' },
  ];
  for (const other of [...others, new Error('NotFound'), () => {}, Symbol('NotFound')]) {
    it(`does not recognise ${typeof other === 'object' ? JSON.stringify(other) : String(other)}`, () => {
      assert.equal(CacheError.is(other), false);
      assert.equal(CacheError.is(other, 'NotFound'), false);
    });
  }
});
