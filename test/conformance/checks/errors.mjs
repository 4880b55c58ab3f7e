// The errors themselves: class, own properties, first line of the stack, Error.prepareStackTrace, stackTraceLimit.
import { inspect } from 'node:util';
import { bytesOf, mainBytes, sizes } from '../modules.mjs';
import { cross, ending, firstLine, properties, show, tag } from '../observe.mjs';
import { patch, restore } from '../patch.mjs';
import { bufferWays, instanceWays, streamingWays } from '../ways.mjs';

const wrongMagic = (size) => mainBytes(size).fill(1, 0, 1);
const wrongBody = (size) => {
  const bytes = bytesOf('tiny', size);
  bytes[bytes.indexOf(0x6a)] = 0xff;
  return bytes;
};

/** Calls that fail, by what is wrong. */
const failures = {
  ...Object.fromEntries(
    [...bufferWays, ...streamingWays].flatMap((way) => [
      [`${way.name}(wrong magic)`, (size) => way.call(wrongMagic(size))],
      [`${way.name}(wrong body)`, (size) => way.call(wrongBody(size))],
    ]),
  ),
  ...Object.fromEntries(bufferWays.map((way) => [`${way.name}(text)`, () => way.call('text')])),
  ...Object.fromEntries(bufferWays.map((way) => [`${way.name}(empty)`, () => way.call(new Uint8Array(0))])),
  'Module without new': (size) => WebAssembly.Module(mainBytes(size)),
  'Module of a subclass(wrong body)': (size) => new (class Sub extends WebAssembly.Module {})(wrongBody(size)),
  'Reflect.construct(wrong body)': (size) => Reflect.construct(WebAssembly.Module, [wrongBody(size)], Object),
  'options that throw': (size) =>
    new WebAssembly.Module(mainBytes(size), {
      get builtins() {
        throw new Error('from the options');
      },
    }),
  'validate(text)': () => WebAssembly.validate('text'),
  'compileStreaming(text)': () => WebAssembly.compileStreaming('text'),
  'compileStreaming(wrong type)': (size) => WebAssembly.compileStreaming(new Response(mainBytes(size))),
  ...Object.fromEntries(
    instanceWays.flatMap((way) => [
      [`${way.name}(missing imports)`, async (size) => way.call(await way.prepare(bytesOf('hosted', size)), {})],
      [
        `${way.name}(function missing)`,
        async (size) => way.call(await way.prepare(bytesOf('hosted', size)), { env: {} }),
      ],
      [`${way.name}(trapping start)`, async (size) => way.call(await way.prepare(bytesOf('startsTrap', size)))],
    ]),
  ),
};

/** What the checks look at in an error. */
const aspects = {
  'class and message': (error) => [
    show(error),
    error.name,
    error.constructor.name,
    ['CompileError', 'LinkError', 'RuntimeError'].map((name) => error instanceof WebAssembly[name]),
    error instanceof Error,
    error instanceof TypeError,
  ],
  'own properties': (error) => properties(error).map((line) => (line.startsWith('stack') ? line.slice(0, 11) : line)),
  text: (error) => [String(error), tag(error), JSON.stringify(error), `${error.message}`],
  // Whether a streaming error has frames depends on which thread found it.
  stack: (error, name) => [
    typeof error.stack,
    firstLine(error.stack),
    /Streaming/.test(name) ? 'not looked at' : error.stack.includes('\n    at '),
  ],
  // Errors that are thrown synchronously must not show a frame of the hook.
  'whole stack': (error, name) => (/^(Module|Reflect)/.test(name) ? error.stack : 'not looked at'),
  inspect: (error) => firstLine(inspect(error)).replace(/^\[(.*)\]$/, '$1'),
  extras: (error) => ['cause', 'errors', 'fileName', 'lineNumber', 'columnNumber', 'info'].map((key) => key in error),
  'can be changed': (error) => {
    error.message = 'mine';
    error.extra = 1;
    error.stack = 'no stack';
    Object.freeze(error);
    return [error.message, error.extra, error.stack, Object.isFrozen(error)];
  },
  'can be captured again': (error) => {
    Error.captureStackTrace(error);
    return firstLine(error.stack);
  },
  cloned: (error) => show(structuredClone(error)),
};
const errorOf = async (call) => (await ending(call)).error;

/** With an Error.prepareStackTrace of the program. Async errors are made in a task, but have the same class. */
async function prepared(call) {
  const log = [];
  patch(Error, 'prepareStackTrace', {
    value(error, sites) {
      log.push([show(error), Array.isArray(sites)]);
      return { prepared: true };
    },
  });
  const error = await errorOf(call);
  const { stack } = error;
  const again = error.stack === stack;
  restore();
  return [show(stack), again, log.length > 0 ? log[0] : 'not called'];
}
async function limited(call, limit) {
  patch(Error, 'stackTraceLimit', limit === 'absent' ? { value: undefined } : { value: limit });
  const error = await errorOf(call);
  restore();
  return [firstLine(error.stack), limit === 0 ? error.stack : typeof error.stack];
}

export default [
  ...cross(Object.entries(failures), Object.entries(aspects), sizes)
    .filter(
      ([[name], [aspect], size]) => size === 'big' || (aspect === 'class and message' && /wrong|missing/.test(name)),
    )
    .map(([[name, call], [aspect, look], size]) => ({
      name: `${name}: ${aspect}, ${size}`,
      run: async () => look(await errorOf(() => call(size)), name),
    })),
  ...cross(Object.entries(failures), ['big']).map(([[name, call], size]) => ({
    name: `Error.prepareStackTrace, ${name}, ${size}`,
    run: () => prepared(() => call(size)),
  })),
  ...cross(Object.entries(failures), [0, 1, 'absent'], ['big']).map(([[name, call], limit, size]) => ({
    name: `Error.stackTraceLimit ${limit}, ${name}, ${size}`,
    run: () => limited(() => call(size), limit),
  })),
  ...cross(Object.entries(failures), ['big']).map(([[name, call], size]) => ({
    name: `every call gives its own error, ${name}, ${size}`,
    run: async () => (await errorOf(() => call(size))) === (await errorOf(() => call(size))),
  })),
  ...cross(bufferWays, sizes).map(([way, size]) => ({
    name: `Error.stackTraceLimit and prepareStackTrace are left as they were, ${way.name}, ${size}`,
    async run() {
      await ending(() => way.call(mainBytes(size)));
      await ending(() => way.call(wrongMagic(size)));
      return [properties(Error), Error.stackTraceLimit];
    },
  })),
  ...cross(bufferWays, ['Error', 'TypeError', 'CompileError'], sizes).map(([way, name, size]) => ({
    name: `global ${name} replaced, ${way.name}, ${size}`,
    async run() {
      const original = name === 'CompileError' ? WebAssembly.CompileError : globalThis[name];
      patch(name === 'CompileError' ? WebAssembly : globalThis, name, { value: class Fake extends Error {} });
      const seen = [];
      for (const source of [wrongMagic(size), 'text']) seen.push(await errorOf(() => way.call(source)));
      restore();
      return seen.map((error) => [show(error), error instanceof original]);
    },
  })),
];
