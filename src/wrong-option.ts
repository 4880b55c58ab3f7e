// Captured: see module-hash.ts.
const { getBuiltinModule } = process;

/** `JSON.stringify` and `String` throw for some values; `inspect` takes any. */
export function wrongOption(name: string, expected: string, value: unknown): TypeError {
  const given = getBuiltinModule('node:util').inspect(value, { depth: 0 });
  return new TypeError(`The option ${name} must be ${expected}, not ${given}`);
}
