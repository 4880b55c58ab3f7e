// node scripts/test.mjs [--node <binary>] [--without <parts of file names, with commas>] [part of a file name]...
// Runs the compiled tests with node:test. Files are listed here because Node 20 takes no patterns.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const option = (name) => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args.splice(at, 2)[1];
};
const node = option('--node') ?? process.execPath;
const without = option('--without')?.split(',') ?? [];

const files = readdirSync(path.join(root, '.test-build'), { recursive: true })
  .filter((file) => file.endsWith('.test.js') && (args.length === 0 || args.some((part) => file.includes(part))))
  .filter((file) => !without.some((part) => file.includes(part)))
  .sort()
  .map((file) => path.join('.test-build', file));
if (files.length === 0) {
  console.error(`No test file matches ${args.join(' ')}`);
  process.exit(2);
}
// On two cores: the third is at work while another waits.
const { status, signal } = spawnSync(node, ['--test', '--test-concurrency=3', ...files], {
  cwd: root,
  stdio: 'inherit',
});
if (signal) console.error(`${node} was ended by ${signal}`);
process.exit(status ?? 1);
