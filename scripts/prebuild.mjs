// npm run build:native [-- --sanitize]: builds the addon for this machine. Node-API: one binary serves every version of Node.
// It goes into prebuilds/, from where it is loaded and packed. With --sanitize it goes into .sanitized/prebuilds/, with AddressSanitizer and
// UndefinedBehaviorSanitizer (Linux, gcc); `node scripts/test-sanitized.mjs` runs tests on it.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { sanitize: { type: 'boolean', default: false } } });

// Here and not in binding.gyp: who installs the package with a newer compiler, and builds it, must not fail for a new warning.
const flags = process.platform === 'win32' ? '' : '-Werror';
// V8 is built without the type information that vptr needs.
const sanitizers = '-fsanitize=address,undefined -fno-sanitize=vptr';

if (values.sanitize) sanitize();
else prebuild();

function prebuild() {
  const options = ['--napi', '--strip', '--quiet', '--name', 'wasm_module_cache', '--target', process.versions.node];
  if (process.platform === 'linux') options.push('--tag-libc'); // glibc and musl are two platforms
  run('prebuildify/bin.js', options, { CXXFLAGS: flags });
}

function sanitize() {
  run('node-gyp/bin/node-gyp.js', ['rebuild', '--silent'], {
    CXXFLAGS: `${flags} ${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer -g`,
    LDFLAGS: sanitizers,
  });
  const platform = `prebuilds/${process.platform}-${process.arch}`;
  const [name] = readdirSync(path.join(root, platform));
  const folder = path.join(root, '.sanitized', platform);
  mkdirSync(folder, { recursive: true });
  // Moved, so that nobody finds this one in build/.
  renameSync(path.join(root, 'build/Release/wasm_module_cache.node'), path.join(folder, name));
}

function run(program, args, variables) {
  const env = { ...process.env, ...variables };
  execFileSync(process.execPath, [path.join(root, 'node_modules', program), ...args], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
}
