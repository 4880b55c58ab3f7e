// Bytes that are no module: class and message of the error, for every way. `validate` says false.
import { body, bothSizes, bytesOf, custom, encode, header, section, type } from '../modules.mjs';
import { cross, outcome, useResult } from '../observe.mjs';
import { allWays, waysBySize } from '../ways.mjs';

const i32 = 0x7f;
const f32 = 0x7d;
const nothing = type([], []);
const oneFunction = (code, parts = {}) =>
  encode({ types: [nothing, type([], [i32]), type([i32], [])], functions: [1], code: [code], ...parts });
const fine = body([], [0x41, 1]);
const name = (...characters) => [characters.length, ...characters];

const invalid = {
  'wrong magic': [1, ...header.slice(1)],
  'text instead of a binary': [...Buffer.from('(module (func (export "add")))')],
  'html instead of a binary': [...Buffer.from('<!doctype html><title>404</title>')],
  'gzip instead of a binary': [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0],
  'version 0': [...header.slice(0, 4), 0, 0, 0, 0],
  'version 2': [...header.slice(0, 4), 2, 0, 0, 0],
  'a component': [...header.slice(0, 4), 0x0d, 0, 1, 0],
  'big-endian version': [...header.slice(0, 4), 0, 0, 0, 1],
  'unknown section': [...header, ...section(99, [0])],
  'section longer than the bytes': [...header, 1, 50, 0],
  'section with bytes left': [...header, ...section(1, [0, 0, 0])],
  'section size is not a LEB128': [...header, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
  'types twice': [...header, ...section(1, [0]), ...section(1, [0])],
  'functions before types': [...header, ...section(3, [0]), ...section(1, [0])],
  'code before exports': [...header, ...section(10, [0]), ...section(7, [0])],
  'unknown type form': encode({ types: [[0x20, 0, 0]] }),
  'unknown value type': encode({ types: [type([0x01], [])] }),
  'function without body': encode({ types: [nothing], functions: [0] }),
  'body without function': encode({ types: [nothing], code: [body([])] }),
  'function of an unknown type': encode({ types: [nothing], functions: [5], code: [body([])] }),
  'body without end': oneFunction([2, 0, 0x01]),
  'body longer than the section': oneFunction([60, 0, 0x0b]),
  'too many locals': oneFunction([7, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, i32]),
  'no value to return': oneFunction(body([])),
  'a float to return': oneFunction(body([], [0x43, 0, 0, 0, 0])),
  'a value too many': oneFunction(body([], [0x41, 1, 0x41, 2])),
  'add of nothing': oneFunction(body([], [0x6a])),
  'unknown opcode': oneFunction(body([], [0xff])),
  'branch too deep': oneFunction(body([], [0x0c, 9])),
  'call of an unknown function': oneFunction(body([], [0x10, 77])),
  'unknown local': oneFunction(body([f32], [0x20, 3])),
  'unknown global': oneFunction(body([], [0x23, 0])),
  'load without memory': oneFunction(body([], [0x41, 0, 0x28, 2, 0])),
  'if without end': oneFunction(body([], [0x41, 1, 0x04, 0x40])),
  'else without if': oneFunction(body([], [0x05])),
  'second of two bodies wrong': oneFunction(fine, { functions: [1, 1], code: [fine, body([])] }),
  'two wrong bodies': oneFunction(fine, { functions: [1, 1], code: [body([], [0x6a]), body([])] }),
  'export twice': oneFunction(fine, {
    exports: [
      [...name(97), 0, 0],
      [...name(97), 0, 0],
    ],
  }),
  'export of an unknown function': oneFunction(fine, { exports: [[...name(97), 0, 9]] }),
  'export of an unknown kind': oneFunction(fine, { exports: [[...name(97), 9, 0]] }),
  'export name not UTF-8': oneFunction(fine, { exports: [[...name(0xff), 0, 0]] }),
  'import of an unknown kind': encode({ imports: [[...name(97), ...name(98), 9, 0]] }),
  'import of an unknown type': encode({ imports: [[...name(97), ...name(98), 0, 3]] }),
  'import name not UTF-8': encode({ types: [nothing], imports: [[...name(97), ...name(0xc0, 0x80), 0, 0]] }),
  'start with a parameter': oneFunction(body([]), { functions: [2], start: 0 }),
  'start unknown': oneFunction(fine, { start: 4 }),
  'memory with maximum below minimum': encode({ memories: [[1, 5, 2]] }),
  'memory too big': encode({ memories: [[0, 0xff, 0xff, 0xff, 0xff, 0x0f]] }),
  'table with maximum below minimum': encode({ tables: [[0x70, 1, 5, 2]] }),
  'data without memory': encode({ data: [[0, 0x41, 0, 0x0b, 0]] }),
  'element without table': encode({ elements: [[0, 0x41, 0, 0x0b, 0]] }),
  'global of the wrong type': encode({ globals: [[i32, 0, 0x43, 0, 0, 0, 0, 0x0b]] }),
  'custom section without name': [...header, 0, 0],
  'custom section name not UTF-8': [...header, ...section(0, name(0xff))],
  'garbage behind': [...header, ...custom('x', []), 0xff],
};

const cuts = (size) => {
  const { length } = bytesOf('tiny', size);
  if (size === 'small') return Array.from({ length: length + 1 }, (_, i) => i);
  return [0, 3, 4, 7, 8, 9, 20, 40, 65_535, 65_536, length - 8, length - 1, length];
};
const broken = (size) => {
  const { length } = bytesOf('rich', size);
  return size === 'small' ? [8, 9, 60, 200, 400] : [8, 9, 60, 200, 400, length - 100_000 + 34_000, length - 20];
};

const binaries = Object.fromEntries(Object.entries(invalid).map(([kind, bytes]) => [kind, bothSizes(bytes)]));

export default [
  ...waysBySize(allWays).flatMap(([way, size]) =>
    cuts(size).map((cut) => ({
      name: `first ${cut} bytes of a ${size} module, ${way.name}`,
      run: () => outcome(() => way.call(bytesOf('tiny', size).subarray(0, cut)), useResult),
    })),
  ),
  ...cross(Object.entries(binaries), waysBySize(allWays)).map(([[kind, binary], [way, size]]) => ({
    name: `${kind}, ${size}, ${way.name}`,
    run: () => outcome(() => way.call(binary[size].slice()), useResult),
  })),
  // One byte changed in a valid module: mostly invalid, sometimes another valid module. Never the cached one.
  ...waysBySize(allWays).flatMap(([way, size]) =>
    broken(size).map((at) => ({
      name: `byte ${at} of a ${size} module changed, ${way.name}`,
      run() {
        const bytes = bytesOf('rich', size);
        bytes[at] ^= 0x55;
        return outcome(() => way.call(bytes), useResult);
      },
    })),
  ),
];
