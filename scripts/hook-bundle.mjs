// The hook in two files. What runs in every process (src/register.ts) is dist/register.js and, for --require, dist/register.cjs. The rest
// (src/hook/late.ts) is dist/hook.js, which is evaluated when the first module comes; by then the program may have patched builtins and
// globals. So the first part hands three things to the second: the modules that both have, the globals, and what the second captures of
// builtins when it is evaluated.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What a file captures at its top level, such as `const { parse } = JSON;`. */
const CAPTURE = /^const (\{[^}]+\}|\w+) = ([\w.]+)(?: \?\? \{\})?;$/gm;
/** Another form of it, which is not understood. */
const MISSED = /^const \{[^}]*\} = (?!early\.captured)(\w+).*$/gm;
const COMMENT = /^\s*(\/\/|\/?\*).*$/gm;
const IMPORT = /^import (\w+) from '(node:\w+)';$/gm;
const GLOBALS = 'scripts/captured-globals.js';

/**
 * @param options - of esbuild, for a file of the hook: (entry, output) => options
 * @param builtins - the plugin that takes builtins from `process`
 */
export async function bundleHook(root, options, builtins) {
  const esbuild = await import('esbuild');
  const inRoot = (file) => path.join(root, file);
  const build = (given) => esbuild.build({ absWorkingDir: root, ...given });
  const inputsOf = async (entry) => {
    const { metafile } = await build({
      ...options(entry),
      plugins: [builtins, lateImports(root)],
      metafile: true,
      write: false,
    });
    const [{ inputs }] = Object.values(metafile.outputs);
    return Object.keys(inputs).filter((file) => file.startsWith('src/') && inputs[file].bytesInOutput > 0);
  };
  const exportsOf = async (entry) => {
    const { metafile } = await build({
      entryPoints: [entry],
      format: 'esm',
      metafile: true,
      write: false,
      outfile: 'x',
    });
    return Object.values(metafile.outputs)[0].exports;
  };
  const [first, rest] = await Promise.all(['src/register.ts', 'src/hook/late.ts'].map(inputsOf));
  const shared = await Promise.all(
    rest.filter((file) => first.includes(file)).map(async (file) => ({ file, names: await exportsOf(file) })),
  );
  const inContext = await build({
    ...options('src/hook/in-context.ts', 'dist/in-context.js'),
    write: false,
    banner: { js: '(function (host) {' },
    footer: { js: 'return WebAssembly; })' },
    inject: ['scripts/context-globals.js'],
    define: { globalThis: 'host.globalThis' },
    plugins: [fromHost()],
  });
  const captures = new Captures();

  const second = await build({
    ...options('src/hook/late.ts', 'dist/hook.js'),
    write: false,
    globalName: 'late',
    banner: { js: '(function (early, __moduleFolder, __moduleFile) {' },
    footer: { js: 'return late; })' },
    plugins: [fromFirstPart(inRoot, shared, captures), lateImports(root)],
  });
  // Each begins with what identifies them all: see src/hook/own-script.ts.
  const scripts = [...inContext.outputFiles, ...second.outputFiles];
  const hash = createHash('sha256');
  for (const { contents } of scripts) hash.update(contents);
  const source = hash.digest('hex').slice(0, 16);
  mkdirSync(inRoot('dist'), { recursive: true });
  for (const { path: file, text } of scripts) writeFileSync(file, `/* wasm-module-cache ${source} */${text}`);
  const starts = { js: 'import.meta.dirname', cjs: '__dirname' };
  for (const [extension, folder] of Object.entries(starts)) {
    // A module cannot return. Where this one could not even be evaluated (an older Node, an older runtime that looks like it), the program
    // must still start.
    const guard = `const __moduleFolder = ${folder};\nif (globalThis.process?.getBuiltinModule && __moduleFolder) {`;
    await build({
      ...options('src/register.ts', `dist/register.${extension}`),
      banner: { js: guard },
      footer: { js: '}' },
      plugins: [builtins, forSecondPart(inRoot, { shared, captures, source })],
    });
  }
}

/** Gives what runs in a context the builtins and the state of the hook. */
function fromHost() {
  return {
    name: 'from the host',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^node:util$/ }, () => ({ path: 'util', namespace: 'host' }));
      onLoad({ filter: /.*/, namespace: 'host' }, () => ({ contents: 'export default host.util;' }));
      onLoad({ filter: /src[\\/]hook[\\/]disguise\.ts$/ }, ({ path: file }) => ({
        contents: readFileSync(file, 'utf8').replace(/^(export const originals) = .*;$/m, '$1 = host.originals;'),
        loader: 'ts',
      }));
    },
  };
}

/** Modules that hardly any process needs are not in the hook's files. */
function lateImports(root) {
  return {
    name: 'late imports',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path: name, kind, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined;
        const file = path.relative(path.join(root, 'src'), path.join(resolveDir, name)).split(path.sep).join('/');
        return { path: `./${file}`, external: true };
      });
    },
  };
}

/** What the second part captures when it is evaluated: names, by the object that has them. */
class Captures {
  #names = new Map();

  /** The expression that gives the second part an object with these names; without names the value itself. */
  add(object, names) {
    const known = this.#names.get(object) ?? new Set();
    this.#names.set(object, known);
    for (const name of names) known.add(name);
    return `early.captured[${JSON.stringify(object)}]`;
  }

  /** The members of an object in the first part that has them all. */
  get members() {
    return [...this.#names].map(([object, names]) => {
      const [start, ...others] = object.split('.');
      const value = [start.startsWith('node:') ? `process.getBuiltinModule('${start}')` : start, ...others].join('.');
      return `${JSON.stringify(object)}: ${names.size === 0 ? value : copyOf(value, [...names])}`;
    });
  }
}

/** An object with these properties of a value. An older Node may lack some, and even the value. */
function copyOf(value, names) {
  return `((from) => ({ ${names.map((name) => `${name}: from.${name}`)} }))(${value} ?? {})`;
}

/** Gives the second part what the first one has. Collects what it captures. */
function fromFirstPart(inRoot, shared, captures) {
  return {
    name: 'from the first part',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path: name, resolveDir }) => {
        const file = path
          .relative(inRoot('.'), path.join(resolveDir, name))
          .split(path.sep)
          .join('/')
          .replace(/js$/, 'ts');
        const index = shared.findIndex((each) => each.file === file);
        return index < 0 ? undefined : { path: file, namespace: 'first part', pluginData: shared[index].names };
      });
      onLoad({ filter: /.*/, namespace: 'first part' }, ({ path: file, pluginData: names }) => ({
        contents: `export const { ${names} } = early.modules[${JSON.stringify(file)}];`,
      }));
      onResolve({ filter: /^node:/ }, ({ path: name }) => ({ path: name, namespace: 'builtin' }));
      onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path: name }) => ({
        contents: `export default ${captures.add(name, [])};`,
      }));
      onLoad({ filter: /captured-globals\.js$/ }, ({ path: file }) => ({
        contents: readFileSync(file, 'utf8').replace('= globalThis;', '= early.globals;'),
      }));
      onLoad({ filter: /\.ts$/ }, ({ path: file }) => ({
        contents: withCaptures(readFileSync(file, 'utf8'), captures),
        loader: 'ts',
      }));
    },
  };
}

/** The source with what it captures taken from the first part. */
function withCaptures(source, captures) {
  const code = source.replace(COMMENT, '');
  const builtins = new Map([...source.matchAll(IMPORT)].map(([, name, builtin]) => [name, builtin]));
  for (const [name, builtin] of builtins) {
    // Names that begin with a capital are types.
    const used = [...code.matchAll(new RegExp(`(?<![\\w.])${name}\\.([a-z]\\w+)`, 'g'))].map(
      ([, property]) => property,
    );
    captures.add(builtin, used);
  }
  const captured = source.replace(CAPTURE, (all, pattern, from) => {
    const [start, ...others] = from.replace('globalThis.', '').split('.');
    const isGlobal = start in globalThis;
    if (!isGlobal && !builtins.has(start)) return all; // A constant of the file.
    const object = [builtins.get(start) ?? start, ...others].join('.');
    const names = pattern.startsWith('{')
      ? pattern
          .slice(1, -1)
          .split(',')
          .map((each) => each.trim().split(/[\s:=]/)[0])
      : [];
    return `const ${pattern} = ${captures.add(object, names.filter(Boolean))};`;
  });
  for (const [line, from] of captured.matchAll(MISSED)) {
    if (from in globalThis || builtins.has(from)) throw new Error(`This would be captured too late: ${line}`);
  }
  return captured;
}

/** Puts into the first part what the second one needs of it. */
function forSecondPart(inRoot, { shared, captures, source }) {
  const imports = shared.map(({ file }, index) => `import * as module${index} from ${JSON.stringify(inRoot(file))};`);
  const modules = shared.map(
    ({ file, names }, index) =>
      `${JSON.stringify(file)}: { ${names.map((name) => `${name}: module${index}.${name}`)} }`,
  );
  const contents = `
    ${imports.join('\n')}
    import * as globals from ${JSON.stringify(inRoot(GLOBALS))};
    export const early = { build: '${source}', modules: { ${modules} }, globals, captured: { ${captures.members} } };`;
  return {
    name: 'for the second part',
    setup({ onLoad }) {
      onLoad({ filter: /src[\\/]hook[\\/]early\.ts$/ }, () => ({ contents, resolveDir: inRoot('.') }));
    },
  };
}
