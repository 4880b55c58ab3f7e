// node scripts/matrix.mjs [part of a file name]...: the tests on every supported Node version.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nodeBinary, SUPPORTED } from './nodes.mjs';

const test = fileURLToPath(new URL('test.mjs', import.meta.url));
const failed = [];
for (const major of SUPPORTED) {
  const node = nodeBinary(major);
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n=== Node ${version} ===`);
  const { status } = spawnSync(process.execPath, [test, '--node', node, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  if (status !== 0) failed.push(version);
}
console.log(failed.length === 0 ? `\nGreen on Node ${SUPPORTED.join(', ')}.` : `\nFailed on ${failed.join(', ')}.`);
process.exit(failed.length === 0 ? 0 : 1);
