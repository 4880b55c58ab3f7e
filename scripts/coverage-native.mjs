// node scripts/coverage-native.mjs [what test.mjs takes]...: builds the addon with counters, runs the tests, and says how many lines of each file
// in native/ ran in them and in the processes that they started (Linux, gcc). .coverage/*.gcov
// shows which. Afterwards the addon is built as usual. What a process did that was killed, or that ran as another user, is not known.
import './built.mjs';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = path.join(root, 'build'); // where the compiler stood
const objects = path.join(build, 'Release/obj.target/wasm_module_cache/native');
const folder = path.join(root, '.coverage');
const platform = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
const [binary] = readdirSync(platform);

// npm tells node-gyp where Node's headers are.
const counting = { ...process.env, CXXFLAGS: '--coverage', LDFLAGS: '--coverage' };
execFileSync('npx', ['node-gyp', 'rebuild'], { cwd: root, env: counting, stdio: ['ignore', 'ignore', 'inherit'] });
let status;
try {
  copyFileSync(path.join(build, 'Release/wasm_module_cache.node'), path.join(platform, binary));
  const test = path.join(root, 'scripts', 'test.mjs');
  ({ status } = spawnSync(process.execPath, [test, ...process.argv.slice(2)], { stdio: 'inherit' }));
  const sources = readdirSync(path.join(root, 'native'))
    .filter((file) => file.endsWith('.cc'))
    .map((file) => path.join(root, 'native', file));
  const text = execFileSync('gcov', ['--object-directory', objects, ...sources], { cwd: build, encoding: 'utf8' });
  mkdirSync(folder, { recursive: true }); // The next build empties the other.
  for (const source of sources) {
    const annotated = `${path.basename(source)}.gcov`;
    copyFileSync(path.join(build, annotated), path.join(folder, annotated));
  }
  for (const [, file, part, lines] of text.matchAll(/^File '.*(native\/.*)'\nLines executed:(.*) of (\d+)$/gm)) {
    console.log(`| \`${file}\` | ${lines} | ${part} |`);
  }
} finally {
  execFileSync('npm', ['run', '--silent', 'build:native'], { cwd: root, stdio: 'inherit' });
}
process.exit(status);
