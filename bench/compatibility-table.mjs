// Turns what compatibility.mjs measured into the page docs/compatibility.md.

/** The hook's default. */
const MIN_MODULE_SIZE = 64 * 1024;
/** Two runs of one program differ by about 5 % anyway. */
const GAIN = 1.05;
const LOSS = 0.95;

/** The page, with a row for each program. */
export function compatibilityTable(programs) {
  const entries = Object.entries(programs).sort(([a], [b]) => a.localeCompare(b));
  const versions = [...new Set(entries.flatMap(([, { nodes }]) => Object.keys(nodes)))].sort((a, b) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  const all = entries.flatMap(([, { nodes }]) => Object.values(nodes));
  const settings = new Set(
    all.map((each) => `medians of ${each.runs} after ${each.train + 1} others, on ${each.machine}`),
  );
  const rows = entries.map(([name, { packages, nodes }]) => [
    Object.entries(packages)
      .map((pair) => pair.join(' '))
      .join(', ') || name,
    waysOf(nodes),
    sizeOf(nodes),
    ...versions.map((version) => ratioOf(nodes[version])),
    resultOf(nodes),
    remarksOf(nodes),
  ]);
  const head = ['package', 'way in', 'wasm', ...versions.map((version) => `Node ${version}`), 'RESULT equal', 'remark'];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return `# Packages that were tried

Which packages work with the hook, and how much faster do they start? \`node bench/compatibility.mjs\` writes this page. It runs a small program for each package
in fresh processes, with and without the hook. A ratio is plain / warm: how many times as fast the whole process is with a warm cache
(${[...settings].join('; ')}). RESULT is what the program computes. The programs are in \`bench/compatibility\` and in the folder of
workloads beside the repository.

- **way in** is the function of \`WebAssembly\` by which the package compiles its modules, **wasm** the size of those modules. Modules below
  64 KiB, which the hook leaves to V8, count only if there are no others.
- **its time is elsewhere**: all modules come from the cache, and the program spends its time on other things than compiling.

${line(head)}
${line(head.map((_, i) => (i >= 2 && i < 3 + versions.length ? '---:' : '---')))}
${rows.map(line).join('\n')}
`;
}

function modulesOf(nodes) {
  const all = Object.values(nodes).flatMap(({ modules }) => modules);
  const large = all.filter(({ bytes }) => bytes >= MIN_MODULE_SIZE);
  return large.length > 0 ? large : all;
}

function waysOf(nodes) {
  const ways = modulesOf(nodes).map(({ way, isWorker }) => `\`${way}\`${isWorker ? ' in a worker' : ''}`);
  return [...new Set(ways)].sort().join(', ') || 'none';
}

function sizeOf(nodes) {
  const modules = new Map(modulesOf(nodes).map(({ key, bytes }) => [key, bytes]));
  if (modules.size === 0) return '-';
  const sum = [...modules.values()].reduce((a, b) => a + b);
  const text = sum < 1e3 ? `${sum} B` : sum < 1e5 ? `${(sum / 1e3).toFixed(1)} kB` : `${(sum / 1e6).toFixed(1)} MB`;
  return modules.size === 1 ? text : `${text} in ${modules.size}`;
}

function ratioOf(measured) {
  if (!measured) return '';
  if (measured.failed) return measured.failed.startsWith('plain') ? 'does not run' : '**fails**';
  return `${measured.warm.toFixed(2)} x`;
}

function resultOf(nodes) {
  const all = Object.values(nodes).filter(({ failed }) => !failed);
  if (all.length === 0) return '-';
  return all.every(({ sameOutput }) => sameOutput) ? 'yes' : '**no**';
}

/** The remarks on a package, with the versions that they hold for unless they hold for all. */
function remarksOf(nodes) {
  const versionsByRemark = new Map();
  for (const [version, measured] of Object.entries(nodes)) {
    const remark = remarkOf(measured);
    if (remark) versionsByRemark.set(remark, [...(versionsByRemark.get(remark) ?? []), version.split('.')[0]]);
  }
  return [...versionsByRemark]
    .map(([remark, majors]) =>
      majors.length === Object.keys(nodes).length ? remark : `Node ${majors.join(', ')}: ${remark}`,
    )
    .join('; ');
}

function remarkOf(measured) {
  const { failed, modules, missed, outputs, sameOutput, warm } = measured;
  if (failed) return failed.replaceAll('|', '\\|');
  const remarks = [];
  if (!sameOutput) {
    const differing = Object.keys(outputs).filter(
      (kind) => outputs[kind].length > 1 || outputs[kind][0] !== outputs.plain[0],
    );
    remarks.push(`${differing.join(', ')} runs give other results than the first plain one`);
  }
  const large = new Set(modules.filter(({ bytes }) => bytes >= MIN_MODULE_SIZE).map(({ key }) => key));
  if (modules.length === 0) remarks.push('compiles no module');
  else if (large.size === 0) remarks.push('only modules that are left to V8');
  else if (missed.length > 0) remarks.push(`${missed.length} of ${large.size} modules not from the cache`);
  if (warm < LOSS) remarks.push('slower');
  else if (warm < GAIN && large.size > 0 && missed.length === 0) remarks.push('its time is elsewhere');
  return remarks.join(', ');
}
