// npm run build, or node scripts/build.mjs: compiles src/ into dist/ and test/ into .test-build/. Skips each of them when nothing that it is
// made of has changed.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundleHook } from './hook-bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const dist = path.join(root, 'dist');

/** Kept in each output folder: what it was made of, and what was made. */
const STAMP = '.build.json';
const TOOLS = ['scripts/build.mjs', 'package.json', 'package-lock.json', 'tsconfig.base.json'];
const OUTPUTS = {
  dist: [
    'src',
    'tsconfig.json',
    'scripts/browser-globals.js',
    'scripts/captured-globals.js',
    'scripts/context-globals.js',
    'scripts/hook-bundle.mjs',
    ...TOOLS,
  ],
  '.test-build': ['test', ...TOOLS],
};

/** The output folders that are missing or not made of what the sources are now. */
export function staleOutputs() {
  return Object.keys(OUTPUTS).filter((folder) => {
    const file = path.join(root, folder, STAMP);
    if (!existsSync(file)) return true;
    const { inputs, outputs } = JSON.parse(readFileSync(file, 'utf8'));
    return inputs !== hashOfInputs(folder) || Object.entries(outputs).some(([name, state]) => stateOf(name) !== state);
  });
}

/** Brings dist/ and .test-build/ up to date. */
export async function build() {
  const stale = staleOutputs();
  if (stale.includes('dist')) await make('dist', buildLibrary);
  if (stale.includes('.test-build')) await make('.test-build', buildTests);
}

async function make(folder, how) {
  rmSync(path.join(root, folder), { recursive: true, force: true });
  // An input that changes meanwhile makes the next build start again.
  const inputs = hashOfInputs(folder);
  await how();
  stamp(folder, inputs);
}

/** Makes what is in the folder count as made of what the sources are now. */
export function stamp(folder, inputs = hashOfInputs(folder)) {
  const outputs = filesBelow(folder).filter((file) => path.basename(file) !== STAMP);
  const states = Object.fromEntries(outputs.map((file) => [file, stateOf(file)]));
  writeFileSync(path.join(root, folder, STAMP), JSON.stringify({ inputs, outputs: states }));
}

function stateOf(file) {
  const stats = statSync(path.join(root, file), { throwIfNoEntry: false });
  return stats && `${stats.size} ${stats.mtimeMs}`;
}

function hashOfInputs(folder) {
  const hash = createHash('sha256').update(process.platform);
  for (const file of OUTPUTS[folder].flatMap(filesBelow)) {
    const bytes = readFileSync(path.join(root, file));
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** The paths of the files in it, or its own when it is a file. */
function filesBelow(name) {
  if (statSync(path.join(root, name)).isFile()) return [name];
  return readdirSync(path.join(root, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .sort();
}

async function buildLibrary() {
  const declarations = [tsc, '-p', 'tsconfig.json', '--emitDeclarationOnly'];
  const checked = promisify(execFile)(process.execPath, declarations, { cwd: root });
  await Promise.all([checked, compile('src', 'dist', MINIFIED).then(bundleEntries), assemble('src', 'dist')]).catch(
    (error) => {
      if (error.stdout) console.error(error.stdout); // what tsc found
      throw error;
    },
  );
  chmodSync(path.join(dist, 'cli/main.js'), 0o755); // npm does so where it installs; npm link and a checkout do not
  writeFileSync(path.join(dist, 'register.d.cts'), 'export {};\n');
  leaveOutOfPackage();
}

/** Types of tests are checked by `npm run typecheck`. */
async function buildTests() {
  await compile('test', '.test-build', {});
}

/** Comments are for those who read the types; they and white space are half the weight. Names stay, for those who read a stack. */
const MINIFIED = { minifyWhitespace: true, minifySyntax: true };

/** Each TypeScript file becomes a file of its own. */
async function compile(from, to, options) {
  const esbuild = await import('esbuild');
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: filesBelow(from).filter((file) => file.endsWith('.ts')),
    outbase: from,
    outdir: to,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    ...options,
  });
}

/** Each module in text form becomes a binary. */
async function assemble(from, to) {
  const { parseWat } = await (await import('wabt')).default();
  for (const file of filesBelow(from).filter((name) => name.endsWith('.wat'))) {
    const binary = path.join(root, to, path.relative(from, file).replace(/wat$/, 'wasm'));
    mkdirSync(path.dirname(binary), { recursive: true });
    const text = readFileSync(path.join(root, file), 'utf8');
    writeFileSync(binary, parseWat(file, text, { simd: true }).toBinary({ canonicalize_lebs: true }).buffer);
  }
}

// An `import` of node:util or node:fs makes Node read every one of their exports, the lazy ones too: 10 ms together on Node 26. Node has
// loaded the modules themselves anyway, and this way of asking for them costs nothing. (So the hook's sources import no names from them, only
// the whole.)
const builtins = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path: name }) => ({ path: name, namespace: 'builtin' }));
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path: name }) => ({
      contents: `export default process.getBuiltinModule(${JSON.stringify(name)});`,
    }));
  },
};

/** What starts fast is one file: each further file costs half a millisecond in every process. */
async function bundleEntries() {
  /** One level below the package's folder, where `packageRoot` looks for it. */
  const options = (name, format) => ({
    absWorkingDir: root,
    entryPoints: [`src/${name}.ts`],
    outfile: `dist/${path.basename(name)}.${format === 'cjs' ? 'cjs' : 'js'}`,
    bundle: true,
    format,
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    minify: true, // V8 parses all of it in every process: 1 ms less
    inject: ['scripts/captured-globals.js'],
    plugins: [builtins],
  });
  const hook = (entry, outfile) => ({
    ...options(path.basename(entry, '.ts'), 'iife'),
    ...(outfile && { outfile }),
    entryPoints: [entry],
    define: { 'import.meta.dirname': '__moduleFolder', 'import.meta.url': '__moduleFile' },
  });
  // A thread starts up to 10 ms faster with CommonJS than with an ES module, and only that can be loaded later without an event loop.
  const threads = ['hook/remote', 'hook/remote-worker'].map((name) => ({
    ...options(name, 'cjs'),
    packages: 'bundle', // what is an ES module cannot be required everywhere; optional peers stay where they are
    external: ['@aws-sdk/*', '@node-rs/xxhash', '@redis/client', 'aws4', 'node-gyp-build', 'redis'],
    define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__moduleUrl' },
    banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
  }));
  // A page loads one file faster than thirty, and has none of Node's globals.
  const browser = {
    ...options('browser', 'esm'),
    platform: 'browser',
    target: 'es2022',
    packages: 'bundle',
    inject: ['scripts/browser-globals.js'],
    plugins: [],
    banner: { js: '/*! wasm-module-cache, with the SHA-256 of @noble/hashes: MIT, see LICENSE */' },
  };
  const esbuild = await import('esbuild');
  await Promise.all([bundleHook(root, hook, builtins), ...[...threads, browser].map(esbuild.build)]);
}

/** Only the tests need half of the types: npm does not pack what the package's entries do not need. */
function leaveOutOfPackage() {
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const entries = Object.values(exports).flatMap(({ types }) => types ?? []);
  const options = [
    '--ignoreConfig',
    '--listFilesOnly',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--types',
    'node',
  ];
  const output = execFileSync(process.execPath, [tsc, ...options, ...entries], { cwd: root, encoding: 'utf8' });
  const needed = new Set(output.split('\n').map((file) => path.resolve(root, file)));
  const unneeded = readdirSync(dist, { recursive: true }).filter(
    (file) => file.endsWith('.d.ts') && !needed.has(path.join(dist, file)),
  );
  const asPatterns = unneeded.map((file) => `/${file.replaceAll(path.sep, '/')}\n`);
  const patterns = [`/${STAMP}\n`, '/hook/remote-worker.js\n', '/browser/*.js\n', ...asPatterns];
  writeFileSync(path.join(dist, '.npmignore'), patterns.join(''));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build().catch((error) => {
    // tsc and esbuild have said what is wrong.
    if (!error.stdout && !error.errors) throw error;
    process.exit(1);
  });
}
