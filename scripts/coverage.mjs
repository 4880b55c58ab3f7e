// node scripts/coverage.mjs [what test.mjs takes]...: runs the tests, and says how much of each folder of src/ ran in them and in all
// processes and threads that they started; .coverage/index.html shows the lines. Lines are those of the compiled code, which has no
// comments and no types. What a process did that was killed is not known.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Report } from 'c8';
import { build, stamp } from './build.mjs';

/** It installs the package elsewhere, and runs what is there. */
const WITHOUT = 'integration/package';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join(root, '.coverage');
const raw = path.join(folder, 'raw');
const test = path.join(root, 'scripts', 'test.mjs');
rmSync(folder, { recursive: true, force: true });
const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
await build();
// The hook not as one file, but as tsc made it: of a bundle it is not to be told what was left out of it.
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json', '--declaration', 'false', '--removeComments'], {
  cwd: root,
});
for (const name of ['remote', 'remote-worker']) {
  writeFileSync(path.join(root, `dist/${name}.cjs`), `module.exports = require('./hook/${name}.js');\n`);
}
stamp('dist'); // or the scripts that the tests start would build it anew
let status;
try {
  // Node hands the variable on to its child processes, whatever environment they are given.
  const env = { ...process.env, NODE_V8_COVERAGE: raw };
  const args = [test, '--without', WITHOUT, ...process.argv.slice(2)];
  ({ status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env }));
  await Report({
    tempDirectory: raw,
    mergeAsync: true, // one by one: they are thousands
    include: ['dist/**/*.js'],
    exclude: ['**/*.d.ts'],
    extension: ['.js'],
    all: true,
    src: [path.join(root, 'dist')],
    reporter: ['html', 'json-summary'],
    reportsDirectory: folder,
  }).run();
} finally {
  rmSync(path.join(root, 'dist'), { recursive: true });
  await build();
}

const { total: _, ...files } = JSON.parse(readFileSync(path.join(folder, 'coverage-summary.json'), 'utf8'));
const sums = new Map();
for (const [file, { lines }] of Object.entries(files)) {
  const inside = path.relative(path.join(root, 'dist'), file).split(path.sep);
  for (const name of [inside.length > 1 ? `src/${inside[0]}/` : 'src/*.ts', 'all']) {
    const { count = 0, covered = 0, total = 0 } = sums.get(name) ?? {};
    sums.set(name, { count: count + 1, covered: covered + lines.covered, total: total + lines.total });
  }
}
console.log('| folder | files | lines | of which ran |\n| --- | --- | --- | --- |');
for (const [name, { count, covered, total }] of [...sums].sort(([a], [b]) => (a > b ? 1 : -1))) {
  console.log(`| \`${name}\` | ${count} | ${total} | ${((100 * covered) / total).toFixed(1)} % |`);
}
process.exit(status);
