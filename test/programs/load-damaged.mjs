// Damages entries of a cache folder, each of another module. Loads each as a library user would, runs the module that was loaded or
// compiled, saves it, and prints the outcomes. Argument: a task of test/stress/damage.mjs.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { entryName } from '../../dist/caches/entry-name.js';
import { CacheError, FileSystemCache, V8Engine } from '../../dist/index.js';
import { artifactsOf, damageTo, mayPass, resultOf, SECRET } from '../stress/subjects.mjs';

const { directory, subject, nativeCodeFile, first, count, isDamaged } = JSON.parse(process.argv[2]);
const nativeCode = readFileSync(nativeCodeFile);

/** V8, but everything is optimised at once, and any bytes other than those that were serialised are an error. */
class Guarded extends V8Engine {
  restored = 0;
  wrong = 0;
  #wireBytes;

  constructor(wireBytes) {
    super();
    this.#wireBytes = wireBytes;
  }

  deserialize(given, wireBytes) {
    this.#check(given, nativeCode);
    this.#check(wireBytes, this.#wireBytes);
    this.restored++;
    return super.deserialize(given, wireBytes);
  }

  compileSync(wireBytes) {
    this.#check(wireBytes, this.#wireBytes);
    return super.compileSync(wireBytes);
  }

  serialize() {
    return nativeCode;
  }

  #check(actual, expected) {
    if (Buffer.compare(actual, expected) === 0) return;
    this.wrong++;
    throw new Error('V8 would have got other bytes than were serialised');
  }
}

const outcomes = [];
const wrong = [];
const result = await resultOf(subject, new V8Engine().compileSync(artifactsOf(subject, 0, nativeCode).wireBytes));

for (let index = first; index < first + count; index++) {
  let name = `entry ${index}`;
  try {
    const [isGiven, isSync, isSigned, ...bits] = [1, 2, 4, 8, 16].map((bit) => (index & bit) !== 0);
    // The entry, the caller or both have the wire bytes. A cache with the other choice of `wireBytes` may have written the entry.
    const [isIncluded, includes] = bits.map((bit) => bit || !isGiven);
    const { key, engineId, wireBytes, bytes, other } = artifactsOf(subject, 1 + index, nativeCode, isIncluded);
    const cache = new FileSystemCache(directory, {
      wireBytes: includes ? 'include' : 'omit',
      secret: isSigned ? SECRET : undefined,
    });
    const options = isGiven ? { wireBytes } : {};
    const file = path.join(directory, entryName({ key, engineId }));
    const engine = new Guarded(wireBytes);
    const load = async () => (isSync ? cache.loadSync(key, engine, options) : cache.load(key, engine, options));

    if (!isDamaged) {
      // No module of these bytes is alive in this process, so V8 has to restore it.
      assert.equal(await resultOf(subject, await load()), result);
      assert.equal(engine.restored, 1);
      continue;
    }
    const damaged = damageTo({ bytes, other }, index);
    const { way } = damaged;
    name = damaged.name;
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, damaged.bytes);
    const outcome = await load().then(
      (module) => ({ module, name: 'hit, same bytes' }),
      (error) => ({ error, name: CacheError.is(error) ? error.kind : String(error) }),
    );
    assert.equal(engine.wrong, 0, String(outcome.error));
    if (outcome.module) {
      // A reader that has the wire bytes does not read those in the entry.
      const end = bytes.length - (isGiven && isIncluded ? wireBytes.length : 0);
      const isUnread =
        damaged.bytes.length === bytes.length &&
        Buffer.compare(damaged.bytes.subarray(0, end), bytes.subarray(0, end)) === 0;
      assert.ok(isUnread || (way.startsWith('forged') && !isSigned && mayPass(damaged.bytes, bytes)), 'a hit');
    } else {
      assert.ok(outcome.name === 'NotFound' || (isSigned && outcome.name === 'Untrusted'), outcome.name);
      assert.equal(
        existsSync(file),
        outcome.name === 'Untrusted',
        'a damaged entry is removed, one with another secret stays',
      );
    }
    const module = outcome.module ?? engine.compileSync(wireBytes);
    assert.equal(await resultOf(subject, module), result);
    await cache.save(key, engine, module);
    assert.equal(await resultOf(subject, await load()), result, 'the healed entry');
    outcomes.push([way, outcome.name]);
  } catch (error) {
    wrong.push(`${subject}, ${name}: ${error.message}`);
  }
}
console.log(JSON.stringify({ outcomes, wrong }));
