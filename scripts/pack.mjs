// node scripts/pack.mjs [--release]: packs the package and looks at what is in it: the files, their sizes against the limits below, what the
// tree weighs that is installed with it, who wrote it under which licence, and what publint and arethetypeswrong say. With --release there must
// be a binary for every platform, and those for glibc must load wherever Node 20 does.
import './built.mjs';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { install, pack } from './install.mjs';

/** Bytes in the tarball: of the code without binaries, of each binary, and of the pages that the README links to. */
const MAX_CODE = 350_000;
const MAX_BINARY = 100_000;
const MAX_PAGES = 100_000;
/** Bytes of the dependencies as they are installed. */
const MAX_DEPENDENCIES = 1_000_000;
const PAGE = /\.(md|svg)$/;
const LICENCES = ['MIT', 'ISC', 'BlueOak-1.0.0'];

/** What every system has that Node 20 runs on: its glibc, and the libstdc++ of the compiler that came with that. */
const OLDEST = { GLIBC: '2.28', GLIBCXX: '3.4.25' };
const PLATFORMS = ['darwin', 'win32'].flatMap((each) => [`${each}-x64/`, `${each}-arm64/`]);
for (const arch of ['x64', 'arm64']) for (const libc of ['glibc', 'musl']) PLATFORMS.push(`linux-${arch}/*.${libc}`);

const root = fileURLToPath(new URL('..', import.meta.url));
const isRelease = process.argv.includes('--release');
const problems = [];
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(10);
const gzipped = (file) => gzipSync(readFileSync(file), { level: 9 }).length;

const work = mkdtempSync(path.join(tmpdir(), 'wasm-cache-pack-'));
try {
  const { filename, files, size, unpackedSize } = pack(work);
  const tarball = path.join(work, filename);
  const binaries = files.map((each) => each.path).filter((each) => each.startsWith('prebuilds/'));
  checkFiles(files, binaries);
  checkSizes({ size, unpackedSize, files, binaries });
  if (isRelease) checkBinaries(binaries);
  install(tarball, path.join(work, 'installed'));
  checkTree(path.join(work, 'installed'));
  checkTypes(path.join(work, 'installed'));
  // A package that is nothing but ES modules: `require` of them, which Node 20.19 and 22.12 allow, needs no types of its own, and TypeScript's
  // old resolution ("node10") knows no `exports`.
  run('attw', [
    '@arethetypeswrong/cli/dist/index.js',
    tarball,
    '--profile',
    'esm-only',
    '--format',
    'ascii',
    '--no-summary',
  ]);
  run('publint', ['publint/src/cli.js', tarball, '--strict']);
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const each of problems) console.error(`NOT GOOD: ${each}`);
process.exit(problems.length === 0 ? 0 : 1);

function checkFiles(files, binaries) {
  const wanted =
    /^(package\.json|[A-Z]+\.md|docs\/[\w-]+\.(md|svg)|LICENSE|dist\/.+\.(js|cjs|d\.c?ts)|dist\/probe\/module\.wasm|prebuilds\/.+\.node)$/;
  for (const { path: file } of files) if (!wanted.test(file)) problems.push(`${file} is packed`);
  if (binaries.length === 0) problems.push('there is no binary: npm run build:native');
  const links = readFileSync(path.join(root, 'README.md'), 'utf8').matchAll(/\]\((?!\w+:)([^)#]+)/g);
  for (const [, link] of links) {
    if (!files.some(({ path: file }) => file === link))
      problems.push(`README.md links to ${link}, which is not packed`);
  }
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const each of ['preinstall', 'install', 'postinstall'])
    if (scripts[each]) problems.push(`npm would run ${each}`);
}

function checkSizes({ size, unpackedSize, files, binaries }) {
  const groups = new Map();
  for (const each of files) {
    const [top, next] = each.path.split('/');
    const name = PAGE.test(each.path)
      ? 'pages'
      : top === 'dist'
        ? each.path.endsWith('.d.ts')
          ? 'types'
          : `dist/${next.includes('.') ? '' : next}`
        : top;
    groups.set(name, [...(groups.get(name) ?? []), each]);
  }
  console.log(`${'packed'.padStart(10)} ${'installed'.padStart(10)}`);
  const packed = new Map();
  for (const [name, members] of [...groups].sort()) {
    // Compressed as one: a file alone is compressed less well than in the tarball.
    const all = Buffer.concat(members.map((each) => readFileSync(path.join(root, each.path))));
    packed.set(name, gzipSync(all, { level: 9 }).length);
    const sum = members.reduce((total, each) => total + each.size, 0);
    const what = `${name} (${members.length} file${members.length === 1 ? '' : 's'})`;
    console.log(`${kilobytes(packed.get(name))} ${kilobytes(sum)} ${what}`);
  }
  let ofBinaries = 0;
  for (const file of binaries) {
    const bytes = gzipped(path.join(root, file));
    ofBinaries += bytes;
    checkSize(file, bytes, MAX_BINARY);
  }
  const ofPages = packed.get('pages');
  const ofCode = size - ofBinaries - ofPages;
  console.log(`${kilobytes(size)} ${kilobytes(unpackedSize)} the tarball; ${kilobytes(ofCode).trim()} of it code\n`);
  checkSize('the code in the tarball', ofCode, MAX_CODE);
  checkSize('the pages in the tarball', ofPages, MAX_PAGES);
}

function checkSize(what, bytes, limit) {
  if (bytes <= limit) return;
  problems.push(`${what}: ${kilobytes(bytes).trim()}, more than ${kilobytes(limit).trim()}`);
}

function checkBinaries(binaries) {
  for (const each of PLATFORMS) {
    const [folder, tag] = each.split('*');
    if (!binaries.some((file) => file.includes(folder) && file.includes(tag ?? '')))
      problems.push(`no binary for ${each}`);
  }
  for (const file of binaries.filter((each) => each.includes('.glibc.'))) {
    // The names of the versions that it needs are text in an ELF file.
    const text = readFileSync(path.join(root, file), 'latin1');
    for (const [library, oldest] of Object.entries(OLDEST)) {
      const needed = [...text.matchAll(new RegExp(`\\b${library}_(\\d[\\d.]*)`, 'g'))].map(([, version]) => version);
      const newer = needed.filter((each) => each.localeCompare(oldest, 'en', { numeric: true }) > 0);
      if (newer.length > 0)
        problems.push(`${file} needs ${library} ${newer.join(', ')}, and Node 20 runs with ${oldest}`);
    }
  }
}

/** What is installed, of whom, and which of our dependencies brings it. */
function checkTree(folder) {
  const { packages } = JSON.parse(readFileSync(path.join(folder, 'package-lock.json'), 'utf8'));
  const own = packages['node_modules/wasm-module-cache'].dependencies;
  let total = 0;
  for (const [place, { version, license, optional }] of Object.entries(packages)) {
    if (place === '' || !existsSync(path.join(folder, place))) continue;
    const name = place.replace(/^.*node_modules\//, '');
    const bytes = sizeOf(path.join(folder, place));
    if (name !== 'wasm-module-cache') total += bytes;
    const by = Object.keys(own).filter((each) => each !== name && brings(packages, each, name));
    const why = name in own || by.length === 0 ? '' : `, by ${by.join(' and ')}`;
    console.log(`${kilobytes(bytes)} ${name} ${version}: ${license}${why}${optional ? ', optional' : ''}`);
    if (!LICENCES.includes(license)) problems.push(`${name} is under ${license}`);
  }
  console.log(`${kilobytes(total)} all dependencies\n`);
  checkSize('the dependencies', total, MAX_DEPENDENCIES);
}

function brings(packages, from, name) {
  const { dependencies, optionalDependencies } = packages[`node_modules/${from}`] ?? {};
  const next = Object.keys({ ...dependencies, ...optionalDependencies });
  return next.includes(name) || next.some((each) => brings(packages, each, name));
}

function sizeOf(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.reduce(
    (sum, each) => sum + (each.isFile() ? statSync(path.join(each.parentPath, each.name)).size : 0),
    0,
  );
}

/** A program in TypeScript that uses every entry has all types that it needs, without those of the optional peers. */
function checkTypes(folder) {
  const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const names = Object.entries(exports).flatMap(([name, { types }]) =>
    types ? name.replace(/^\./, 'wasm-module-cache') : [],
  );
  writeFileSync(path.join(folder, 'program.ts'), names.map((name) => `import '${name}';\n`).join(''));
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--module',
    'nodenext',
    '--target',
    'es2022',
  ];
  const typesOfNode = ['--typeRoots', path.join(root, 'node_modules/@types'), '--types', 'node'];
  run('tsc', ['typescript/bin/tsc', ...options, ...typesOfNode, path.join(folder, 'program.ts')]);
}

function run(name, [program, ...args]) {
  const { status } = spawnSync(process.execPath, [path.join(root, 'node_modules', program), ...args], {
    stdio: 'inherit',
  });
  if (status !== 0) problems.push(`${name} found something`);
}
