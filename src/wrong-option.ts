import util from 'node:util';

/** Whatever the value is: `JSON.stringify` and `String` throw for some, and the option's name would be lost. */
export function wrongOption(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`The option ${name} must be ${expected}, not ${util.inspect(value, { depth: 0 })}`);
}
