// tsc for the library and the types; then the hook again as one file, because each further file costs every process that
// is started with it half a millisecond.
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');

// An `import` of node:util or node:fs makes Node read every one of their exports, the lazy ones too: 10 ms together on Node
// 26. The modules themselves are loaded anyway, and this way of asking for them costs nothing. (So the
// hook's sources import no names from them, only the whole.)
const builtins = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path: name }) => ({ path: name, namespace: 'builtin' }));
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path: name }) => ({
      contents: `export default process.getBuiltinModule(${JSON.stringify(name)});`,
    }));
  },
};

for (const folder of ['dist', '.test-build']) rmSync(path.join(root, folder), { recursive: true, force: true });
for (const what of [['--emitDeclarationOnly'], ['--declaration', 'false']]) {
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json', ...what], { cwd: root, stdio: 'inherit' });
}
const dist = path.join(root, 'dist');
// Comments are for those who read the types, and they and white space half of what JavaScript would weigh in the package. Names stay, for
// those who read a stack.
await build({
  entryPoints: readdirSync(dist, { recursive: true })
    .filter((file) => file.endsWith('.js'))
    .map((file) => path.join(dist, file)),
  outdir: dist,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifyWhitespace: true,
  minifySyntax: true,
  allowOverwrite: true,
});
chmodSync(path.join(root, 'dist/cli/main.js'), 0o755); // npm does so where it installs; npm link and a checkout do not
/** One level below the package's folder, where `packageRoot` looks for it. */
const bundle = (name, format) => ({
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
  allowOverwrite: true,
});
// A module cannot return: where it could not even be evaluated (an older Node, an older runtime that looks like it), the program must start.
await build({
  ...bundle('register', 'iife'),
  define: { 'import.meta.dirname': '__moduleDirname', 'import.meta.url': '__moduleUrl' },
  banner: {
    js: `const { dirname: __moduleDirname, url: __moduleUrl } = import.meta;
if (globalThis.process?.getBuiltinModule && __moduleDirname) {`,
  },
  footer: { js: '}' },
});
// A thread starts up to 10 ms faster with it than with an ES module, and only it can be loaded later without an event loop.
for (const name of ['hook/remote', 'hook/remote-worker']) {
  await build({
    ...bundle(name, 'cjs'),
    packages: 'bundle', // what is an ES module cannot be required everywhere; optional peers stay where they are
    external: ['@aws-sdk/*', '@node-rs/xxhash', '@redis/client', 'aws4', 'node-gyp-build', 'redis'],
    define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__moduleUrl' },
    banner: { js: 'const __moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
  });
}
// A page loads one file faster than thirty, and has none of Node's globals.
await build({
  ...bundle('browser', 'esm'),
  platform: 'browser',
  target: 'es2022',
  packages: 'bundle',
  inject: ['scripts/browser-globals.js'],
  plugins: [],
  banner: { js: '/*! wasm-module-cache, with the SHA-256 of @noble/hashes: MIT, see LICENSE */' },
});
execFileSync(process.execPath, [tsc, '-p', 'test/tsconfig.json'], { cwd: root, stdio: 'inherit' });

// Half of the types are for the tests alone: what the package's entries do not need is not packed.
const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const entries = Object.values(exports).flatMap(({ types }) => types ?? []);
const options = ['--ignoreConfig', '--listFilesOnly', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
const needed = execFileSync(process.execPath, [tsc, ...options, ...entries], { cwd: root, encoding: 'utf8' }).split(
  '\n',
);
const unneeded = readdirSync(dist, { recursive: true }).filter(
  (file) => file.endsWith('.d.ts') && !needed.some((each) => path.resolve(each) === path.join(dist, file)),
);
const asPatterns = unneeded.map((file) => `/${file.replaceAll(path.sep, '/')}\n`);
writeFileSync(path.join(dist, '.npmignore'), ['/hook/remote-worker.js\n', '/browser/*.js\n', ...asPatterns].join(''));
