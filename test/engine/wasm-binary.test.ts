import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countFunctions, readWasmBinary, withOnlyBodies } from '../../dist/engine/wasm-binary.js';
import { damages, seeded } from '../support/damage.js';
import { codeSection, customSection, leb, moduleOf, named, section, sleb, vector } from '../support/wasm-binary.js';

const major = Number(process.versions.node.split('.')[0]);

const I32 = 0x7f;
const FUNCTION = 0;
const TABLE = 1;
const MEMORY = 2;
const GLOBAL = 3;
const TAG = 4;
const NULLABLE = 0x63;
const NON_NULL = 0x64;

const TYPES = section(1, vector([[0x60, 1, I32, 1, I32], [0x60, 0, 0], ...new Array(150).fill([0x60, 0, 0])]));
const UNREACHABLE = 'RuntimeError: unreachable';

/** Import and function sections: functions around the given import, and a declared one that calls both. */
function importing(description: number[]): Uint8Array<ArrayBuffer> {
  const imports = [
    [...named('env'), ...named('first'), FUNCTION, 0],
    [...named('env'), ...named('it'), ...description],
    [...named(''), ...named('a longer name'.repeat(20)), FUNCTION, ...leb(100)],
  ];
  const body = [0x00, 0x41, 0x01, 0x10, 0x00, 0x10, description[0] === FUNCTION ? 2 : 1, 0x0b];
  return moduleOf(TYPES, section(2, vector(imports)), section(3, vector([[0]])), codeSection([body]));
}

interface Import {
  name: string;
  description: number[];
  /** The first Node whose V8 takes it without a flag. */
  since?: number;
}

const VALUE_TYPES: Record<string, [type: number, since?: number]> = {
  i32: [0x7f],
  i64: [0x7e],
  f32: [0x7d],
  f64: [0x7c],
  v128: [0x7b],
  funcref: [0x70],
  externref: [0x6f],
  anyref: [0x6e, 22],
  eqref: [0x6d, 22],
  i31ref: [0x6c, 22],
  structref: [0x6b, 22],
  arrayref: [0x6a, 22],
  nullref: [0x71, 22],
  nullexternref: [0x72, 22],
  nullfuncref: [0x73, 22],
  exnref: [0x69, 22],
};

const IMPORTS: Import[] = [
  { name: 'a function', description: [FUNCTION, 1] },
  { name: 'a table of funcref', description: [TABLE, 0x70, 0, 1] },
  { name: 'a table with a maximum', description: [TABLE, 0x70, 1, ...leb(300), ...leb(70_000)] },
  { name: 'a table of externref', description: [TABLE, 0x6f, 0, 1] },
  { name: 'a table of (ref null 0)', description: [TABLE, NULLABLE, 0, 0, 1], since: 22 },
  { name: 'a table of (ref null 101)', description: [TABLE, NULLABLE, ...sleb(101), 1, 1, 2], since: 22 },
  { name: 'a table of (ref null func)', description: [TABLE, NULLABLE, 0x70, 0, 1], since: 22 },
  { name: 'a table with 64-bit indices', description: [TABLE, 0x70, 5, 1, 2], since: 24 },
  { name: 'a memory', description: [MEMORY, 0, 1] },
  { name: 'a memory with a maximum', description: [MEMORY, 1, ...leb(200), ...leb(65_536)] },
  { name: 'a shared memory', description: [MEMORY, 3, 1, 2] },
  { name: 'a 64-bit memory', description: [MEMORY, 4, 1], since: 22 },
  { name: 'a 64-bit memory with a maximum', description: [MEMORY, 5, 1, ...leb(200)], since: 22 },
  { name: 'a shared 64-bit memory', description: [MEMORY, 7, 1, 2], since: 22 },
  ...Object.entries(VALUE_TYPES).flatMap(([name, [type, since = 20]]) => [
    { name: `a global of type ${name}`, description: [GLOBAL, type, 0], since },
    { name: `a mutable global of type ${name}`, description: [GLOBAL, type, 1], since },
  ]),
  { name: 'a global of type (ref null 1)', description: [GLOBAL, NULLABLE, 1, 0], since: 22 },
  { name: 'a global of type (ref 101)', description: [GLOBAL, NON_NULL, ...sleb(101), 0], since: 22 },
  { name: 'a global of type (ref null extern)', description: [GLOBAL, NULLABLE, 0x6f, 1], since: 22 },
  { name: 'a global of type (ref func)', description: [GLOBAL, NON_NULL, 0x70, 0], since: 22 },
  { name: 'a tag', description: [TAG, 0, 1] },
];

describe('counting functions:', () => {
  for (const { name, description, since = 20 } of IMPORTS) {
    it(`beside ${name} that is imported`, () => {
      const wireBytes = importing(description);
      assert.equal(WebAssembly.validate(wireBytes), major >= since, 'what this Node makes of it');
      const functions = { imported: description[0] === FUNCTION ? 3 : 2, declared: 1 };
      assert.deepEqual(countFunctions(wireBytes), functions);
      const binary = readWasmBinary(wireBytes);
      assert.deepEqual(binary.functions, functions);
      assert.equal(binary.bodyStarts.length, 2);
      assert.equal(WebAssembly.validate(withOnlyBodies(wireBytes, new Set()) as BufferSource), major >= since);
    });
  }

  it('of a module without anything', () => {
    assert.deepEqual(countFunctions(moduleOf()), { imported: 0, declared: 0 });
  });

  it('of a module that only imports', () => {
    const imports = vector([[...named('a'), ...named('b'), FUNCTION, 0]]);
    assert.deepEqual(countFunctions(moduleOf(TYPES, section(2, imports))), { imported: 1, declared: 0 });
  });

  it('of a module with empty sections', () => {
    const wireBytes = moduleOf(section(1, [0]), section(2, [0]), section(3, [0]), codeSection([]));
    assert.equal(WebAssembly.validate(wireBytes), true);
    assert.deepEqual(readWasmBinary(wireBytes).functions, { imported: 0, declared: 0 });
  });

  it('of many', () => {
    const imports = new Array<number[]>(1000).fill([...named('env'), ...named('f'), FUNCTION, 0]);
    const wireBytes = moduleOf(
      TYPES,
      section(2, vector(imports)),
      section(3, vector(new Array(50_000).fill([1]))),
      codeSection(new Array(50_000).fill([0x00, 0x0b])),
    );
    assert.equal(WebAssembly.validate(wireBytes), true);
    assert.deepEqual(countFunctions(wireBytes), { imported: 1000, declared: 50_000 });
    assert.equal(readWasmBinary(wireBytes).bodyStarts.length, 50_001);
  });
});

/** Five functions that differ in locals, length and how they call each other; all are exported as `f0` ... `f4`. */
function fiveFunctions({ pad = leb as (value: number) => number[], custom = false } = {}): Uint8Array<ArrayBuffer> {
  const padded = (id: number, body: number[]) => [id, ...pad(body.length), ...body];
  const constants = new Array(100).fill([0x41, ...sleb(1), 0x6a]).flat(); // + 1, 100 times
  const bodies = [
    [0x00, 0x20, 0x00, 0x41, ...sleb(10), 0x6a, 0x0b],
    // Locals of several types, one of which is used.
    [0x03, 0x02, 0x7f, 0x01, 0x7e, 0x03, 0x7c, 0x20, 0x00, 0x22, 0x01, 0x20, 0x01, 0x6c, 0x0b],
    [0x00, 0x20, 0x00, ...constants, 0x0b],
    [0x00, 0x20, 0x00, 0x10, 0x02, 0x10, 0x04, 0x0b],
    [0x00, 0x20, 0x00, 0x41, ...sleb(-1000), 0x6a, 0x0b],
  ];
  const between = (name: string) => (custom ? customSection(name) : []);
  return moduleOf(
    between('before all'),
    padded(1, [...pad(1), 0x60, ...pad(1), I32, ...pad(1), I32]),
    between('before the functions'),
    padded(3, [...pad(5), ...[0, 0, 0, 0, 0].flatMap((type) => pad(type))]),
    padded(7, [...pad(5), ...[0, 1, 2, 3, 4].flatMap((i) => [...named(`f${i}`), FUNCTION, ...pad(i)])]),
    between('before the code'),
    padded(10, [...pad(5), ...bodies.flatMap((body) => [...pad(body.length), ...body])]),
    between('after the code'),
    between('after all'),
  );
}

/** Always five bytes, as linkers write numbers that they fill in later. */
function padded(value: number): number[] {
  return [0, 7, 14, 21].map((shift) => ((value >>> shift) & 0x7f) | 0x80).concat(value >>> 28);
}

/** The results of the five functions for 7. */
function results(wireBytes: Uint8Array): unknown[] {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wireBytes as BufferSource));
  return [0, 1, 2, 3, 4].map((i) => {
    try {
      return (exports[`f${i}`] as (x: number) => number)(7);
    } catch (error) {
      return String(error);
    }
  });
}

const WHOLE = [17, 49, 107, -893, -993];

const FORMS = {
  'a plain module': fiveFunctions(),
  'a module with custom sections all over': fiveFunctions({ custom: true }),
  'a module with padded numbers': fiveFunctions({ pad: padded, custom: true }),
};

for (const [form, wireBytes] of Object.entries(FORMS)) {
  describe(`${form}, of which only some functions are kept:`, () => {
    const binary = readWasmBinary(wireBytes);

    it('is read correctly', () => {
      assert.equal(WebAssembly.validate(wireBytes), true);
      assert.deepEqual(results(wireBytes), WHOLE);
      assert.deepEqual(binary.functions, { imported: 0, declared: 5 });
      assert.deepEqual(countFunctions(wireBytes), binary.functions);
    });

    for (let bits = 0; bits < 32; bits++) {
      const kept = new Set([0, 1, 2, 3, 4].filter((i) => bits & (1 << i)));
      it(`{${[...kept]}} compute the same, the others trap`, () => {
        const stubbed = withOnlyBodies(wireBytes, kept);
        assert.equal(WebAssembly.validate(stubbed as BufferSource), true);
        const [before, after] = [wireBytes, stubbed].map((each) => new WebAssembly.Module(each as BufferSource));
        assert.deepEqual(WebAssembly.Module.exports(after as never), WebAssembly.Module.exports(before as never));
        const runs = (i: number) => kept.has(i) && (i !== 3 || (kept.has(2) && kept.has(4)));
        assert.deepEqual(
          results(stubbed),
          WHOLE.map((value, i) => (runs(i) ? value : UNREACHABLE)),
        );
        // It can be read again, and has the same shape.
        assert.deepEqual(readWasmBinary(stubbed).functions, binary.functions);
      });
    }

    it('is the same module, in no more bytes, if all are kept', () => {
      const all = withOnlyBodies(wireBytes, new Set([0, 1, 2, 3, 4]));
      if (form !== 'a module with padded numbers') assert.deepEqual(Buffer.from(all), Buffer.from(wireBytes));
      else assert.ok(all.length < wireBytes.length);
    });
  });
}

it('the stubbed form has the same imports', () => {
  for (const { description, since = 20 } of IMPORTS) {
    if (major < since) continue;
    const wireBytes = importing(description);
    const stubbed = withOnlyBodies(wireBytes, new Set());
    const [before, after] = [wireBytes, stubbed].map((each) => new WebAssembly.Module(each as BufferSource));
    assert.deepEqual(WebAssembly.Module.imports(after as never), WebAssembly.Module.imports(before as never));
  }
});

it('a stub is valid whatever the function takes and returns', () => {
  const types = [
    [0x60, 0, 0],
    [0x60, 0, 1, 0x7b],
    [0x60, 3, 0x7e, 0x7d, 0x7c, 4, 0x7f, 0x6f, 0x70, 0x7b],
  ];
  // They call themselves, so that they are valid without stubs, too.
  const body = (type: number) => [0x00, ...(type === 2 ? [0x20, 0, 0x20, 1, 0x20, 2] : []), 0x10, type, 0x0b];
  const wireBytes = moduleOf(
    section(1, vector(types)),
    section(3, vector([[0], [1], [2]])),
    codeSection([body(0), body(1), body(2)]),
  );
  assert.equal(WebAssembly.validate(wireBytes), true);
  assert.equal(WebAssembly.validate(withOnlyBodies(wireBytes, new Set()) as BufferSource), true);
});

it('a live module can replace its wire bytes', () => {
  for (const wireBytes of Object.values(FORMS)) {
    const module = new WebAssembly.Module(wireBytes);
    for (const functions of [new Set([1, 3]), 'all', 'smallest'] as const) {
      assert.deepEqual(withOnlyBodies(module, functions, true), withOnlyBodies(wireBytes, functions, true));
    }
  }
  assert.throws(() => withOnlyBodies({} as never, 'all'), TypeError);
});

it('the smallest function is never a stub', () => {
  const wireBytes = FORMS['a module with custom sections all over'];
  const stubbed = withOnlyBodies(wireBytes, new Set([2, 3]));
  for (const [source, smallest] of [
    [wireBytes, 0],
    [stubbed, 3],
  ] as const) {
    assert.deepEqual(withOnlyBodies(source, 'smallest'), withOnlyBodies(source, new Set([smallest])));
  }
  const none = withOnlyBodies(wireBytes, new Set());
  assert.deepEqual(withOnlyBodies(none, 'smallest'), none);
  assert.deepEqual(withOnlyBodies(moduleOf(), 'smallest'), Buffer.from(moduleOf()));
});

it('for compiling, exports have short names and data segments are empty', () => {
  const exported = Array.from({ length: 300 }, (_, i) => [...named(`a long name of the function ${i}`), FUNCTION, 0]);
  const wireBytes = moduleOf(
    TYPES,
    section(3, vector([[0]])),
    section(5, vector([[0, 1]])),
    section(7, vector(exported)),
    section(12, leb(2)),
    codeSection([[0x00, 0x20, 0x00, 0x0b]]),
    section(
      11,
      vector([
        [0, 0x41, 0, 0x0b, 3, 1, 2, 3],
        [1, 2, 8, 9],
      ]),
    ),
    customSection('name', 1000),
    customSection('metadata.code.x', 10),
  );
  assert.equal(WebAssembly.validate(wireBytes), true);
  const cut = new WebAssembly.Module(withOnlyBodies(wireBytes, 'all', true) as BufferSource);
  const names = WebAssembly.Module.exports(cut).map(({ name }) => name);
  assert.equal(new Set(names).size, 300);
  assert.ok(names.every((name) => name.length <= 3));
  assert.deepEqual(WebAssembly.Module.customSections(cut, 'name'), []);
  assert.equal(WebAssembly.Module.customSections(cut, 'metadata.code.x')[0]?.byteLength, 10);
  const length = withOnlyBodies(wireBytes, 'all', true).length;
  assert.ok(length < 2_500, `${length} bytes`);
});

it('functions that do not exist cannot be kept', () => {
  const wireBytes = FORMS['a plain module'];
  for (const functions of [[5], [0, 5], [0xffff_ffff]]) {
    assert.throws(() => withOnlyBodies(wireBytes, new Set(functions)), RangeError);
  }
});

it('a module without code is its own stubbed form', () => {
  for (const wireBytes of [moduleOf(), moduleOf(TYPES, customSection('x')), moduleOf(codeSection([]))]) {
    assert.deepEqual(Buffer.from(withOnlyBodies(wireBytes, new Set())), Buffer.from(wireBytes));
  }
});

it('a large code section keeps its lengths right', () => {
  const random = seeded(7);
  const bodies = Array.from({ length: 3000 }, () => {
    const additions = new Array(random(400)).fill([0x41, 0x01, 0x6a]).flat();
    return [0x00, 0x20, 0x00, ...additions, 0x0b];
  });
  const wireBytes = moduleOf(TYPES, section(3, vector(bodies.map(() => [0]))), codeSection(bodies));
  const binary = readWasmBinary(wireBytes);
  for (let round = 0; round < 10; round++) {
    const kept = new Set([...bodies.keys()].filter(() => random(10) < round));
    const stubbed = withOnlyBodies(wireBytes, kept);
    assert.equal(WebAssembly.validate(stubbed as BufferSource), true);
    const again = readWasmBinary(stubbed);
    for (const i of kept) {
      const [from, to] = [again.bodyStarts[i], again.bodyStarts[i + 1]];
      const body = stubbed.subarray(from, to);
      assert.deepEqual(body, Buffer.from(wireBytes.subarray(binary.bodyStarts[i], binary.bodyStarts[i + 1])));
    }
  }
});

describe('unknown parts are a RangeError:', () => {
  const UNKNOWN: Record<string, number[]> = {
    'a kind of import': [5, 0],
    'a table of no type': [TABLE, 0x00, 0, 1],
    'a table of a type of two bytes': [TABLE, 0x80, 0, 1],
    'a memory with limits of another proposal (custom page sizes)': [MEMORY, 8, 1],
    'a table with limits of 0x80': [TABLE, 0x70, 0x80, 1],
    'a global of a positive type': [GLOBAL, 0x3f, 0],
  };
  for (const [name, description] of Object.entries(UNKNOWN)) {
    it(name, () => {
      assert.throws(() => countFunctions(importing(description)), RangeError);
      assert.throws(() => readWasmBinary(importing(description)), RangeError);
    });
  }

  it('a code section that goes on after its functions', () => {
    const bytes = moduleOf(TYPES, section(3, [1, 0]), section(10, [1, 3, 0, 0, 0x0b, 0x00]));
    assert.throws(() => readWasmBinary(bytes), RangeError);
  });

  it('a function that is longer than the code section', () => {
    const bytes = moduleOf(TYPES, section(3, [1, 0]), section(10, [1, 4, 0, 0, 0x0b]), customSection('after'));
    assert.throws(() => readWasmBinary(bytes), RangeError);
  });

  it('a section that is longer than the module', () => {
    assert.throws(() => countFunctions(moduleOf([1, 100, 0])), RangeError);
  });

  it('more functions than there are bytes', () => {
    for (const count of [leb(1_000_000), leb(0xffff_ffff)]) {
      assert.throws(() => readWasmBinary(moduleOf(TYPES, section(3, count), section(10, count))), RangeError);
    }
  });
});

describe('a damaged module is a RangeError or read correctly:', () => {
  const imports = vector([
    [...named('env'), ...named('f'), FUNCTION, 0],
    [...named('env'), ...named('t'), TABLE, 0x70, 1, 1, 2],
    [...named('env'), ...named('m'), MEMORY, 1, ...leb(200), ...leb(300)],
    [...named('env'), ...named('g'), GLOBAL, 0x7e, 1],
    [...named('env'), ...named('h'), FUNCTION, ...leb(100)],
  ]);
  const before = moduleOf(customSection('first'), TYPES, section(2, imports));
  const declaring = Uint8Array.from([...before, ...section(3, vector([[0], [1]])), ...customSection('between')]);
  const bodies = [
    [0x00, 0x20, 0x00, 0x10, 0x00, 0x0b],
    [0x01, 0x01, 0x7e, 0x10, 0x01, 0x0b],
  ];
  const wireBytes = Uint8Array.from([...declaring, ...codeSection(bodies), ...customSection('last', 300)]);

  it('without damage it is valid', () => {
    assert.equal(WebAssembly.validate(wireBytes), true);
    assert.deepEqual(readWasmBinary(wireBytes).functions, { imported: 2, declared: 2 });
  });

  it('cut off anywhere', () => {
    for (let length = 0; length < wireBytes.length; length++) {
      const bytes = wireBytes.subarray(0, length);
      try {
        const { functions, bodyStarts } = readWasmBinary(bytes);
        // Some prefixes are modules themselves; they have a body for each function.
        assert.equal(bodyStarts.length, functions.declared + 1, `cut off at byte ${length}`);
        assert.equal(WebAssembly.validate(bytes), true, `cut off at byte ${length}`);
      } catch (error) {
        assert.ok(error instanceof RangeError, `cut off at byte ${length}: ${error}`);
      }
    }
    for (const length of [0, 1, 7]) assert.throws(() => countFunctions(wireBytes.subarray(0, length)), RangeError);
  });

  it('functions without code, code without functions', () => {
    assert.throws(() => readWasmBinary(declaring), RangeError);
    assert.throws(() => readWasmBinary(moduleOf(TYPES, codeSection(bodies))), RangeError);
  });

  it('not a module at all', () => {
    for (const bytes of [
      new Uint8Array(8),
      Buffer.from('// JavaScript'),
      Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0),
    ]) {
      assert.throws(() => countFunctions(bytes), RangeError);
      assert.throws(() => readWasmBinary(bytes), RangeError);
    }
  });

  it('an import section that goes on after its imports', () => {
    assert.throws(() => countFunctions(moduleOf(TYPES, section(2, [...imports, 0]))), RangeError);
  });

  it('an import section that ends before its imports do', () => {
    const bytes = moduleOf(TYPES, section(2, imports.slice(0, -1)), section(3, [0]));
    assert.throws(() => countFunctions(bytes), RangeError);
  });

  it('types of later proposals, which are longer than the ones known', () => {
    for (const description of [
      [GLOBAL, NULLABLE, 0x65, 0x70, 0], // (ref null (shared func))
      [GLOBAL, 0x65, 0x70, 0],
      [GLOBAL, NON_NULL, 0x62, 0, 0], // (ref (exact 0))
      [TABLE, NULLABLE, 0x62, 0, 0, 1],
    ]) {
      assert.throws(() => countFunctions(importing(description)), RangeError);
    }
  });

  it('more data segments than there are bytes, without writing any', () => {
    const wireBytes = moduleOf(section(11, leb(5_000_000)));
    assert.throws(() => withOnlyBodies(wireBytes, 'all', true), RangeError);
  });

  it('functions to keep in a module without functions', () => {
    assert.throws(() => withOnlyBodies(moduleOf(), new Set([0])), RangeError);
    assert.deepEqual(Buffer.from(withOnlyBodies(moduleOf(), new Set())), Buffer.from(moduleOf()));
  });

  it('numbers without an end', () => {
    for (const length of [11, 200, 100_000]) {
      const endless = new Array(length).fill(0x80);
      for (const sections of [[1], [2], [3]].map(([id]) => [id as number, ...endless, 0])) {
        assert.throws(() => countFunctions(moduleOf(sections)), RangeError);
      }
      assert.throws(() => countFunctions(moduleOf(section(2, [...endless, 0]))), RangeError);
      assert.throws(() => countFunctions(moduleOf(section(3, [...endless, 0]))), RangeError);
    }
  });

  it('in 20,000 ways', () => {
    let accepted = 0;
    let cut = 0;
    for (const { name, bytes } of damages(wireBytes, fiveFunctions(), 20_000)) {
      for (const functions of [new Set([1]), 'all', 'smallest'] as const) {
        try {
          const length = withOnlyBodies(bytes, functions, true).length;
          assert.ok(length <= bytes.length + 100, name);
          cut++;
        } catch (error) {
          assert.ok(error instanceof RangeError, `${name}: ${error}`);
        }
      }
      let functions: unknown;
      try {
        functions = readWasmBinary(bytes).functions;
      } catch (error) {
        assert.ok(error instanceof RangeError, `${name}: ${error}`);
        continue;
      }
      if (!WebAssembly.validate(bytes as BufferSource)) continue;
      accepted++;
      const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes as BufferSource));
      const imported = imports.filter(({ kind }) => kind === 'function').length;
      assert.deepEqual(functions, { imported, declared: (functions as { declared: number }).declared }, name);
    }
    assert.ok(accepted > 100, `${accepted} of them are still modules`);
    assert.ok(cut > 100, `${cut} could be cut`);
  });
});
