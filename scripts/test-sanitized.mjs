// node scripts/test-sanitized.mjs [part of a file name]...: builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer, and runs the
// tests that call it most on Node 26, in a copy of this checkout (.sanitized/), with what the sanitizers need (Linux, gcc).
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { copyCheckout } from './checkout-copy.mjs';
import { nodeBinary } from './nodes.mjs';

const DEFAULT_TESTS = [
  'native/',
  'engine/',
  'caches/shared',
  'learning/',
  'hook/',
  'integration/ahead-of-time',
  'integration/crash-guard',
  'integration/left-behind',
  'integration/preload',
];

const root = fileURLToPath(new URL('..', import.meta.url));
const copy = path.join(root, '.sanitized');
await build();
// npm tells node-gyp where Node's headers are.
execFileSync('npm', ['run', '--silent', 'build:native', '--', '--sanitize'], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
});
copyCheckout(copy, ['prebuilds']);

// Node itself is not built with it, so it must be there before Node starts.
const library = (name) => execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
// What they report goes into files: many tests look at what a process prints, or let one crash.
const reports = mkdtempSync(path.join(tmpdir(), 'wasm-cache-sanitized-'));
const log = `log_path=${path.join(reports, 'report')}`;
const env = {
  ...process.env,
  LD_PRELOAD: library('libasan.so'),
  ASAN_OPTIONS: [
    'detect_leaks=0', // Node frees little at its end.
    'alloc_dealloc_mismatch=0', // V8's buffers come from the operators in Node's binary.
    'handle_segv=0', // V8 turns these signals into traps.
    'allow_user_segv_handler=1',
    'exitcode=99',
    log,
  ].join(':'),
  UBSAN_OPTIONS: `print_stacktrace=1:${log}`,
};
const given = process.argv.slice(2);
const tests = given.length > 0 ? given : DEFAULT_TESTS;
const args = [path.join(copy, 'scripts/test.mjs'), '--no-build', '--node', nodeBinary(26), ...tests];
const { status } = spawnSync(process.execPath, args, { cwd: copy, env, stdio: 'inherit' });
// A child that has yet to become another program has a stack of its own, which AddressSanitizer only mentions.
const found = readdirSync(reports)
  .map((name) => readFileSync(path.join(reports, name), 'utf8'))
  .filter((text) => /ERROR: |runtime error: /.test(text));
rmSync(reports, { recursive: true });
for (const text of found) console.error(text);
if (found.length > 0) console.error(`The sanitizers reported ${found.length} faults.`);
process.exit(found.length > 0 ? 1 : (status ?? 1));
