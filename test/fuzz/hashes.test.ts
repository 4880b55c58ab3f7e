import assert from 'node:assert/strict';
import { describe } from 'node:test';
import fc from 'fast-check';
import { parseSecrets, Signer } from '../../dist/artifact/signature.js';
import { ModuleHash } from '../../dist/index.js';
import { arbitraryJunk, arbitraryText, holds } from '../support/fuzz.js';

const digests = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.constantFrom(8, 32))
  .map(([bytes, length]) => bytes.subarray(0, length));

describe('ModuleHash', () => {
  holds(
    'is the same from its bytes and from its text, in any case',
    [digests, fc.array(fc.boolean())],
    (bytes, upper) => {
      const hash = ModuleHash.fromBytes(bytes);
      assert.equal(hash.algorithm, bytes.length === 32 ? 'sha256' : 'xxhash');
      assert.deepEqual(hash.toBytes(), Uint8Array.from(bytes));
      const text = [...`${hash}`].map((digit, i) => (upper[i] ? digit.toUpperCase() : digit)).join('');
      const again = ModuleHash.parseHex(text);
      assert.ok(again.equals(hash) && `${again}` === `${hash}` && again.algorithm === hash.algorithm);
      const larger = new Uint8Array(bytes.length + 5);
      larger.set(bytes, 3);
      assert.ok(ModuleHash.fromBytes(larger.subarray(3, 3 + bytes.length)).equals(hash));
    },
  );

  const hex = fc.string({
    unit: fc.constantFrom(...'0123456789abcdefABCDEF'),
    minLength: 14,
    maxLength: 66,
    size: 'max',
  });
  const almost = fc
    .tuple(digests, fc.nat(64), fc.constantFrom('', ' ', '\n', 'g', '0', '\0', '０'))
    .map(([bytes, at, more]) => {
      const text = Buffer.from(bytes).toString('hex');
      return text.slice(0, at) + more + text.slice(at + 1);
    });
  holds('is read from 16 or 64 digits only', [fc.oneof(hex, almost, arbitraryText)], (text) => {
    if (/^(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{64})$/.test(text)) {
      assert.equal(`${ModuleHash.parseHex(text)}`, text.toLowerCase());
    } else {
      assert.throws(() => ModuleHash.parseHex(text), { name: 'TypeError', message: /^Not a module hash: / });
    }
  });

  holds('is made of 8 or 32 bytes only', [fc.uint8Array({ maxLength: 70, size: 'max' })], (bytes) => {
    if ([8, 32].includes(bytes.length)) assert.deepEqual([...ModuleHash.fromBytes(bytes).toBytes()], [...bytes]);
    else assert.throws(() => ModuleHash.fromBytes(bytes), { name: 'TypeError', message: /^Not a module hash: / });
  });

  holds('is made of nothing else', [arbitraryJunk], (junk) => {
    for (const make of [ModuleHash.parseHex, ModuleHash.fromBytes] as ((value: unknown) => ModuleHash)[]) {
      let hash: ModuleHash;
      try {
        hash = make(junk);
      } catch (error) {
        assert.ok(error instanceof TypeError, String(error));
        continue;
      }
      assert.match(`${hash}`, /^(?:[0-9a-f]{16}|[0-9a-f]{64})$/);
    }
  });
});

describe('secrets', () => {
  const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r', '\u00a0', '\ufeff'), maxLength: 4 });
  const secrets = fc.array(fc.string({ minLength: 1 }).filter((text) => !/\s/.test(text)));

  holds('are read from text with any white space', [secrets, fc.array(spaces)], (given, between) => {
    const text = given.map((secret, i) => `${between[i] ?? ''} ${secret}`).join('') + (between[0] ?? '');
    assert.deepEqual(parseSecrets(text), given);
  });

  holds('of any text sign, or are refused without being named', [arbitraryText], (text) => {
    const parsed = parseSecrets(text);
    assert.ok(parsed.every((secret) => secret !== '' && !/\s/.test(secret)));
    assert.equal(parsed.join(''), text.replace(/\s+/g, ''));
    assertRefusedOrSigns(parsed);
  });

  holds(
    'of any list sign, or are refused without being named',
    [fc.array(fc.oneof(arbitraryText, arbitraryJunk))],
    (list) => assertRefusedOrSigns(list),
  );

  function assertRefusedOrSigns(list: unknown[]): void {
    const isGood = (each: unknown) => typeof each === 'string' && Buffer.byteLength(each) >= 16 && !/\s/.test(each);
    if (list.length > 0 && list.every(isGood)) {
      const signer = new Signer(list as string[]);
      assert.ok(signer.verify('kind', [Buffer.from('part')], signer.sign('kind', [Buffer.from('part')])));
      return;
    }
    assert.throws(
      () => new Signer(list as string[]),
      (error) => {
        assert.ok(error instanceof TypeError && /secret/i.test(error.message), String(error));
        // A few letters may be in any sentence.
        for (const each of list)
          assert.ok(typeof each !== 'string' || each.length < 10 || !error.message.includes(each));
        return true;
      },
    );
  }
});
