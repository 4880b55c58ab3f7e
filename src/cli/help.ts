/** Shown below the list of commands. */
export const EXIT_CODES = `
Exit codes:
  0  success, or yes
  1  no, or a finding: a miss (why), a bad artifact (verify), a problem (doctor)
  2  wrong usage
  3  failure: the folder is not trusted, the store is down

All commands read the variables of the hook, such as WASM_CACHE_DIR. Options
override them. A secret is never an option, because other users can see the
options of a process: use WASM_CACHE_SECRET or WASM_CACHE_SECRET_FILE.`;

const STORES = `
Addresses: redis://, rediss://, s3://bucket/prefix, https://, http:// and
file:///folder. Put an address with a password into WASM_CACHE_REMOTE, because
other users can see options. WASM_CACHE_SECRET signs the artifacts. To go
without signatures, set WASM_CACHE_ALLOW_UNSIGNED=1.`;

/** The help of one command. */
export interface CommandHelp {
  summary: string;
  /** What is shown below the options. */
  text?: string;
  examples: string[];
}

export const HELP: Record<string, CommandHelp> = {
  ls: {
    summary: 'list the artifacts in the cache folder',
    examples: ['wasm-cache ls', 'wasm-cache ls --sort size', 'wasm-cache ls --json | jq .totals'],
  },
  info: {
    summary: 'show all that is stored for one module',
    text: `
"wasm-cache ls" shows the first digits of each key. Four of them are enough, if
no other key starts with them. Write ./cafe for a file whose name looks like a
key.

Exit code 1: nothing is stored for the module.`,
    examples: ['wasm-cache info 43bbcdd4', 'wasm-cache info node_modules/sql.js/dist/sql-wasm.wasm'],
  },
  why: {
    summary: 'tell whether a module would come from the cache, and if not, why',
    text: `
The answer takes NODE_OPTIONS and the variables of the hook into account. For a
hit, V8 has loaded the artifact in a process of its own. Exit code 1: a miss.`,
    examples: [
      'wasm-cache why node_modules/sql.js/dist/sql-wasm.wasm',
      'wasm-cache why app.wasm -- --stack-size=4000',
      'wasm-cache why app.wasm --node /opt/node-24/bin/node',
    ],
  },
  doctor: {
    summary: 'check whether the cache works here, and say what to do if not',
    text: `
Compiles, saves and loads a module in two processes, in a temporary folder, and
asks the store of WASM_CACHE_REMOTE for an artifact that it does not have. The
cache folder and the store stay as they are.

Exit code 1: there is a problem. Warnings do not count.`,
    examples: ['wasm-cache doctor', 'wasm-cache doctor --json | jq \'.findings[] | select(.status != "ok")\''],
  },
  verify: {
    summary: 'read the whole cache folder, and report what is damaged, untrusted or out of place',
    text: `
Exit code 1: an artifact is bad, or was bad before --repair. Files that are not
of this package are never touched.`,
    examples: ['wasm-cache verify', 'wasm-cache verify --repair', 'wasm-cache verify --json | jq .totals'],
  },
  prune: {
    summary: 'remove artifacts by size, age or engine',
    text: `
An engine is one build of Node, with one set of V8 flags, on one kind of CPU.
The command cannot know which versions of Node you still use. --dead-engines
goes by the last use, which is noted to the hour. --other-engines goes by the
version, and also removes what versions that you still use have learnt.

Leftovers of processes that are gone are always removed. Files that are not of
this package stay. A program that runs meanwhile compiles what it does not find.`,
    examples: ['wasm-cache prune --max-size 500MiB --dry-run', 'wasm-cache prune --older-than 30d --dead-engines'],
  },
  clear: {
    summary: 'remove everything from the cache folder',
    text: '\nFiles that are not of this package stay. Exit code 1: you said no.',
    examples: ['wasm-cache clear', 'wasm-cache clear --yes', 'wasm-cache clear --dry-run --json'],
  },
  run: {
    summary: 'run a command with the hook, and say what the cache did',
    text: `
All Node processes that the command starts have the hook, and so do their
worker threads. Signals are passed on. Standard output belongs to the command:
the summary goes to standard error, and so does the document of --json.

The time saved is an estimate: the time that V8 takes to decode the modules and
to compile them with its baseline compiler, less the time of the look-ups. It
leaves out that optimised code runs faster.

Exit code: that of the command, or 128 plus the number of the signal that ended
it.`,
    examples: [
      'wasm-cache run -- node app.js --minify',
      'wasm-cache run npm run build',
      'wasm-cache run --json-file run.json -- npm test',
    ],
  },
  report: {
    summary: 'write a page about the cache: time saved, hit rates, what is stored',
    text: `
The page is one file without scripts; by default wasm-cache-report.html in the
working directory. It shows the folder's statistics, which go back 35 days at
most. --json prints the same; then a page is written only if you name one.

The time saved is an estimate. "wasm-cache bench" measures.`,
    examples: ['wasm-cache report', 'wasm-cache report public/wasm.html', 'wasm-cache report --json | jq .findings'],
  },
  train: {
    summary: 'run a command until everything that it runs is optimised and stored',
    text: `
Runs the command with the hook, and waits until the functions that ran are
optimised. Repeats this until every artifact is final, or a run improves
nothing. Give the command the work that it will do later. Its output is shown
only if it fails.

A server does not end by itself: --stop-after sends it SIGTERM, and SIGKILL
10 seconds later. Give it work meanwhile. On SIGTERM all threads of each process
save what they have. A thread that stays busy for more than 3 seconds then is
not saved.

Exit code 1: the command compiled no module, nothing is stored of its modules,
or a run failed with --keep-going. 3: a run failed.`,
    examples: [
      'wasm-cache train app.js',
      'wasm-cache train --dir ./wasm-cache -- npm run build',
      'wasm-cache train --stop-after 30s -- node server.js',
    ],
  },
  warm: {
    summary: 'optimise all functions of modules ahead of time',
    text: `
For images, and for modules that you cannot run. The artifacts are for the Node
that runs this command, with its V8 options. They hold all functions, so they
are larger and load more slowly than those of "wasm-cache train", which they
replace.

Each module is compiled in a process of its own. Modules that are stored in full
are skipped, so you can repeat an interrupted command. Modules smaller than
WASM_CACHE_MIN_MODULE_SIZE (64 KiB) are skipped, because the hook does not cache
them. Links in folders are not followed. If a file or folder and a package have
the same name, the file or folder is taken.

Exit code 3: a module could not be compiled. The others were.`,
    examples: [
      'wasm-cache warm plugin.wasm',
      'wasm-cache warm --dir ./wasm-cache esbuild-wasm sql.js',
      "wasm-cache warm node_modules 'plugins/**/*.wasm' --memory 2GiB",
    ],
  },
  bench: {
    summary: 'measure what the cache gains for a command',
    text: `
The command is trained first, as "wasm-cache train" does it, in a temporary folder
or in that of --dir. Then it runs by turns without the hook and with a warm
cache, each time in a fresh process, from its start to its end. A difference
counts if the middle halves of both sides' times do not overlap. One more run,
under V8's profiler, shows how much of the time WebAssembly takes.

No store is used. Exit code 1: no gain, or the command printed something else
with the hook. 3: a run failed.`,
    examples: ['wasm-cache bench app.js', 'wasm-cache bench --runs 30 -- npx tsc --version'],
  },
  push: {
    summary: 'copy artifacts from the cache folder into a store that a fleet shares',
    text: `
The store keeps an artifact of its own that is as good or better. The folder
knows which modules a program uses if the program ran with WASM_CACHE_REMOTE;
otherwise --program adds all artifacts for this Node, so give such a program a
folder of its own.

Exit code 1: there was nothing to push, or an artifact was left out, because it
is damaged, quarantined, or not signed with the secret.
${STORES}`,
    examples: [
      'wasm-cache push',
      'wasm-cache push --program app.js',
      'wasm-cache push --to s3://bucket/prefix --all-engines',
    ],
  },
  pull: {
    summary: 'copy artifacts from a store or a bundle into the cache folder',
    text: `
The folder keeps an artifact of its own that is as good or better. For each
artifact that does not fit, the reason is shown. A web server cannot list what
it has: name a program or keys.

Exit code 1: nothing was there, or an artifact was missing, did not fit or was
refused.
${STORES}`,
    examples: [
      'wasm-cache pull',
      'wasm-cache pull --program app.js',
      'wasm-cache pull --dir ./wasm-cache wasm-cache.tar',
    ],
  },
  bake: {
    summary: 'write the artifacts of the cache folder into one signed file',
    text: `
For images and registries. "wasm-cache pull <bundle>" reads the file and checks
every signature. WASM_CACHE_SECRET or WASM_CACHE_SECRET_FILE signs it. To go
without signatures, set WASM_CACHE_ALLOW_UNSIGNED=1.

Exit code 1: there was nothing to bake, or an artifact was left out.`,
    examples: ['wasm-cache bake wasm-cache.tar', 'wasm-cache bake --all-engines wasm-cache.tar'],
  },
};
