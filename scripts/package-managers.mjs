// node scripts/package-managers.mjs [--only yarn]: installs the tarball with the package managers that people use, from their lock files and in a
// PATH without compilers, and looks whether the addon is there and works. The tools are fetched from npm into a temporary folder.
import './built.mjs';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { pack } from './install.mjs';

const npm = ['node_modules/npm/bin/npm-cli.js', ['install'], ['ci']];
const pnpm = ['node_modules/pnpm/bin/pnpm.cjs', ['install'], ['install', '--frozen-lockfile']];
const berry = ['node_modules/@yarnpkg/cli-dist/bin/yarn.js', ['install', '--no-immutable'], ['install', '--immutable']];
const TOOLS = {
  'npm 10': ['npm@10', ...npm],
  'npm 11': ['npm@11', ...npm],
  'yarn 1': ['yarn@1', 'node_modules/yarn/bin/yarn.js', ['install'], ['install', '--frozen-lockfile']],
  'yarn 3, node_modules': ['@yarnpkg/cli-dist@3', ...berry, 'node-modules'],
  'yarn 3, PnP': ['@yarnpkg/cli-dist@3', ...berry, 'pnp'],
  'yarn 4, node_modules': ['@yarnpkg/cli-dist@4', ...berry, 'node-modules'],
  'yarn 4, PnP': ['@yarnpkg/cli-dist@4', ...berry, 'pnp'],
  'pnpm 9': ['pnpm@9', ...pnpm],
  'pnpm 10': ['pnpm@10', ...pnpm],
};
const PROGRAM = `import { V8Engine } from 'wasm-module-cache';
import 'wasm-module-cache/register';
const { unsupportedReason } = new V8Engine();
if (unsupportedReason) throw new Error(unsupportedReason);
`;

const { only = '' } = parseArgs({ options: { only: { type: 'string' } } }).values;
const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-managers-'));
let failed = 0;
try {
  const bin = path.join(work, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, path.join(bin, 'node'));
  const tarball = path.join(work, pack(work).filename);
  for (const name of Object.keys(TOOLS).filter((each) => each.includes(only))) {
    try {
      tryTool(name, path.join(work, name.replace(/\W+/g, '-')), tarball, bin);
      console.log(`ok      ${name}`);
    } catch (error) {
      failed++;
      console.log(`FAILED  ${name}\n${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

function tryTool(name, folder, tarball, bin) {
  const [tool, file, install, installLocked, linker] = TOOLS[name];
  const tools = path.join(folder, 'tool');
  const app = path.join(folder, 'app');
  mkdirSync(tools, { recursive: true });
  mkdirSync(app);
  writeFileSync(path.join(tools, 'package.json'), '{}');
  execFileSync('npm', ['install', tool, '--no-audit', '--no-fund', '--loglevel=error'], { cwd: tools, stdio: 'pipe' });
  writeFileSync(
    path.join(app, 'package.json'),
    JSON.stringify({ name: 'app', private: true, dependencies: { 'wasm-module-cache': `file:${tarball}` } }),
  );
  writeFileSync(path.join(app, 'program.mjs'), PROGRAM);
  if (linker) writeFileSync(path.join(app, '.yarnrc.yml'), `nodeLinker: ${linker}\nenableGlobalCache: false\n`);

  const env = {
    ...process.env,
    PATH: bin,
    HOME: folder,
    WASM_CACHE_DIR: path.join(folder, 'cache'),
    YARN_ENABLE_TELEMETRY: '0',
  };
  const node = (args) => execFileSync(process.execPath, args, { cwd: app, env, stdio: 'pipe', encoding: 'utf8' });
  node([path.join(tools, file), ...install]);
  rmSync(path.join(app, 'node_modules'), { recursive: true, force: true });
  node([path.join(tools, file), ...installLocked]);
  node([...(linker === 'pnp' ? [path.join(tools, file), 'node'] : []), 'program.mjs']);
}
