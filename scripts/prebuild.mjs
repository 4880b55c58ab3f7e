// node scripts/prebuild.mjs: builds the addon for this machine into prebuilds/, from where it is loaded and packed. Node-API: one
// binary serves every version of Node.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const prebuildify = path.join(root, 'node_modules', 'prebuildify', 'bin.js');
const options = ['--napi', '--strip', '--quiet', '--name', 'wasm_module_cache', '--target', process.versions.node];
if (process.platform === 'linux') options.push('--tag-libc'); // glibc and musl are two platforms
execFileSync(process.execPath, [prebuildify, ...options], { cwd: root, stdio: 'inherit' });
