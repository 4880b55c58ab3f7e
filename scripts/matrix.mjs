// node scripts/matrix.mjs [--nodes 22,24] [what test.mjs takes]...: the tests on every supported Node version.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nodeBinary, SUPPORTED } from './nodes.mjs';

const test = fileURLToPath(new URL('test.mjs', import.meta.url));
const parts = process.argv.slice(2);
const at = parts.indexOf('--nodes');
const majors = at < 0 ? SUPPORTED : parts.splice(at, 2)[1].split(',').map(Number);
const failed = [];
for (const major of majors) {
  const node = nodeBinary(major);
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n=== Node ${version} ===`);
  const { status } = spawnSync(process.execPath, [test, '--node', node, ...parts], {
    stdio: 'inherit',
  });
  if (status !== 0) failed.push(version);
}
console.log(failed.length === 0 ? `\nGreen on Node ${majors.join(', ')}.` : `\nFailed on ${failed.join(', ')}.`);
process.exit(failed.length === 0 ? 0 : 1);
