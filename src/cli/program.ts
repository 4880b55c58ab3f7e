import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Command as CliCommand, Command as Declaration, Option } from 'commander';
import { packageRoot } from '../package-root.js';
import type { Command } from './command.js';
import type { CommonOptions } from './context.js';
import { countOption, coverageOption, durationOption, sizeOption } from './options.js';

// What can be given to which command. What a command does is loaded when it is called: `--help` needs none of it.

const EXIT_CODES = `
Exit codes:
  0  done, or yes
  1  no, or something was found: a miss (why), a bad artifact (verify), a
     problem (doctor)
  2  called wrongly
  3  could not be done: the folder is not to be trusted, the store is down

Settings come from the variables that the hook reads, WASM_CACHE_DIR and the
others; options go before them. A secret is never an option, because everybody
can see those: WASM_CACHE_SECRET, or WASM_CACHE_SECRET_FILE.`;

const KEY_OR_FILE = `
A key is what "wasm-cache ls" shows: all its digits, or 4 and more of the first
ones. A file that is called like one: ./cafe.
Exit code 1: nothing is stored for it.`;

const ENGINES = `
An engine is one build of Node, with one set of V8 flags, on one kind of CPU.
Which other versions of Node this machine still has cannot be told:
--dead-engines goes by use, which is noted to the hour; --other-engines goes by
version, and takes what other versions that you still use have learnt.

What processes that are gone left behind goes in any case. Files that are not of
this package stay; they count for --max-size. A program that runs meanwhile
compiles what it does not find.`;

const DOCTOR = `
It compiles, saves and loads a module in two processes, in a folder of its own,
and asks the store of WASM_CACHE_REMOTE; nothing is changed in either.
Exit code 1: there is a problem. Warnings do not count.`;

const WHY = `
NODE_OPTIONS counts, too, and so do the variables that the hook reads. A hit was
loaded by V8, in a process of its own. Exit code 1: a miss.`;

const RUN = `
Every Node process that the command starts has the hook, and so have their
worker threads. Signals are passed on. Standard output is the command's: what
this one has to say goes to standard error, with --json, too.

The time saved is an estimate: what V8 would have taken to decode the modules
and to compile them with its baseline compiler, less what the look-ups took. That
optimised code is faster is not counted.

Exit code: that of the command; 128 and the number of the signal that ended it.`;

const REPORT = `
One file without scripts, which opens anywhere; by default wasm-cache-report.html,
here. It tells of what the folder's statistics have, the last 35 days at most.
With --json the same is printed, and a page is written only where one is named.

The time saved is an estimate; "wasm-cache bench" measures.`;

const TRAIN = `
Runs the command with the hook, waits until what ran is optimised, and does that
again until every artifact is final, or nothing improves. What is optimised is
what ran: give it work like that which it will do. Its output is shown only
where it fails.

What does not end by itself, such as a server, is sent SIGTERM after
--stop-after, and SIGKILL 10 seconds later. Give it work meanwhile: all threads
of each process save what they have when SIGTERM comes. A thread that is busy
without a pause for more than 3 seconds then is not saved.

Exit code 1: it compiled no module, nothing is stored of those that it compiled,
or a run failed with --keep-going. 3: a run failed.`;

const WARM = `
For images, and where no program can be run. Artifacts are for the Node that
runs this command, with its options of V8. They hold all functions, and so are
larger and take longer to load than what "wasm-cache train" makes of those that
ran; they replace that.

Each module is compiled in a process of its own. What is stored is skipped, so
that an interrupted command can be given again. Modules below
WASM_CACHE_MIN_MODULE_SIZE (64 KiB) are skipped, because the hook leaves them to
V8. Links in folders are not followed. A file or folder goes before a package of
the same name.

Exit code 3: a module could not be compiled; the others were.`;

const BENCH = `
A command is trained first, as "wasm-cache train" does it, in a temporary
folder, or in that of --dir. Then it is run by turns without the hook and with a
warm cache, each time in a fresh process, from its start to its end. A
difference counts where the middle halves of the times of both have nothing in
common. One more run, under V8's profiler, tells which part of the time is
WebAssembly's.

For a file, compiling it is compared with loading an artifact that holds all its
functions, optimised.

No store is used. Exit code 1: no gain, or the command printed something else
with the hook. 3: a run failed.`;

const PUSH = `
An artifact that the store has as good or better stays there. What a program
uses is what the folder knows of it, where it was run with WASM_CACHE_REMOTE,
and else all that is stored for this Node: give such a program a folder of its
own.

Exit code 1: there was nothing to push, or something was left out, because it is
damaged, quarantined, or not signed with the secret.`;

const PULL = `
Nothing in the folder is replaced by less. Of what does not fit it is said why.
A web server cannot list what it has: name a program or keys.

Exit code 1: nothing was there, or something was missing, did not fit or was
refused.`;

const BAKE = `
For images and registries: "wasm-cache pull <bundle>" reads it, and checks every
signature. It needs WASM_CACHE_SECRET or WASM_CACHE_SECRET_FILE, to sign it; or
WASM_CACHE_ALLOW_UNSIGNED=1.

Exit code 1: there was nothing to bake, or something was left out.`;

const STORES = `
Addresses: redis://, rediss://, s3://bucket/prefix, https://, http://, and
file:///folder. One with a password goes into WASM_CACHE_REMOTE, because
everybody can see options. Artifacts are signed with WASM_CACHE_SECRET; without
one, WASM_CACHE_ALLOW_UNSIGNED=1 says that this is meant.`;

/** All commands, with their options and their help. */
export function createProgram(): CliCommand {
  const program = new Declaration('wasm-cache')
    .description(
      'Looks after the cache of compiled WebAssembly modules that wasm-module-cache keeps between Node processes.',
    )
    .version(version(), '-v, --version')
    .configureHelp({ sortSubcommands: false })
    .helpCommand('help [command]', 'help for a command')
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES)
    // Nothing ends the process before what it printed is out.
    .exitOverride();

  declare(program, 'ls', 'lists the artifacts of the cache folder')
    .addOption(
      new Option('--sort <by>', 'what comes first: last used, or largest').choices(['used', 'size']).default('used'),
    )
    .addHelpText('after', examples(['wasm-cache ls', 'wasm-cache ls --sort size', 'wasm-cache ls --json | jq .totals']))
    .action(action(async () => (await import('./commands/ls.js')).command));

  declare(program, 'info', 'tells all about what is stored for one module')
    .argument('<key-or-file>', 'its key, or its .wasm file')
    .addHelpText('after', KEY_OR_FILE)
    .addHelpText(
      'after',
      examples(['wasm-cache info 43bbcdd4', 'wasm-cache info node_modules/sql.js/dist/sql-wasm.wasm']),
    )
    .action(action(async () => (await import('./commands/info.js')).command));

  declare(program, 'why', 'tells whether a module would come from the cache, and if not, why')
    .argument('<module>', 'its .wasm file')
    .argument('[node-options...]', "options of node, after --: they decide V8's flags, and so what can be loaded")
    .option('--node <binary>', 'ask this node (default: the one that runs this)')
    .addHelpText('after', WHY)
    .addHelpText(
      'after',
      examples([
        'wasm-cache why node_modules/sql.js/dist/sql-wasm.wasm',
        'wasm-cache why app.wasm -- --stack-size=4000',
        'wasm-cache why app.wasm --node /opt/node-24/bin/node',
      ]),
    )
    .action(action(async () => (await import('./commands/why.js')).command));

  declare(program, 'doctor', 'looks whether the cache can work here, and says what to do where it cannot')
    .addHelpText('after', DOCTOR)
    .addHelpText(
      'after',
      examples(['wasm-cache doctor', 'wasm-cache doctor --json | jq \'.findings[] | select(.status != "ok")\'']),
    )
    .action(action(async () => (await import('./commands/doctor.js')).command));

  declare(program, 'verify', 'reads all of the cache folder, and tells what is damaged, untrusted or out of place')
    .option('--repair', 'remove what is damaged or was left behind, and put right what can be')
    .addHelpText(
      'after',
      '\nExit code 1: an artifact is not in order, or was not before --repair. Files of\nothers are never touched.',
    )
    .addHelpText(
      'after',
      examples(['wasm-cache verify', 'wasm-cache verify --repair', 'wasm-cache verify --json | jq .totals']),
    )
    .action(action(async () => (await import('./commands/verify.js')).command));

  declare(program, 'prune', 'removes artifacts by size, age or engine')
    .option('--max-size <size>', 'cut the folder to this size, such as 500MiB: the least recently used go first')
    .option('--older-than <time>', 'remove what was not used for so long, such as 30d')
    .option('--dead-engines', 'remove what is for engines of which nothing was used for two weeks')
    .option('--other-engines', 'remove what is for any other Node than the one that runs this')
    .option('--dry-run', 'only show what would go')
    .addHelpText('after', ENGINES)
    .addHelpText(
      'after',
      examples(['wasm-cache prune --max-size 500MiB --dry-run', 'wasm-cache prune --older-than 30d --dead-engines']),
    )
    .action(action(async () => (await import('./commands/prune.js')).command));

  declare(program, 'clear', 'removes everything from the cache folder')
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'only show what would go')
    .addHelpText('after', '\nFiles that are not of this package stay. Exit code 1: you said no.')
    .addHelpText('after', examples(['wasm-cache clear', 'wasm-cache clear --yes', 'wasm-cache clear --dry-run --json']))
    .action(action(async () => (await import('./commands/clear.js')).command));

  declare(program, 'run', 'runs a command with the hook on, and says what that did')
    .argument('<command...>', 'as it would be given to the shell, or a script for node')
    .option('--json-file <file>', 'write the JSON to this file')
    // What comes after the command is for it, with and without --.
    .passThroughOptions()
    .addHelpText('after', RUN)
    .addHelpText(
      'after',
      examples([
        'wasm-cache run -- node app.js --minify',
        'wasm-cache run npm run build',
        'wasm-cache run --json-file run.json -- npm test',
      ]),
    )
    .action(action(async () => (await import('./commands/run.js')).command));

  declare(
    program,
    'report [file.html]',
    'writes a page about what the cache did: time saved, hit rates, what is stored',
  )
    .addHelpText('after', REPORT)
    .addHelpText(
      'after',
      examples(['wasm-cache report', 'wasm-cache report public/wasm.html', 'wasm-cache report --json | jq .findings']),
    )
    .action(action(async () => (await import('./commands/report.js')).command));

  declare(program, 'train', 'runs a command until all that can be learnt of it is stored')
    .argument('<command...>', 'as it would be given to the shell')
    .option('--runs <max>', 'the most runs', (text) => countOption('--runs', text, 1), 10)
    .option('--stop-after <time>', 'end each run after that time, for what does not end by itself: 30s', (text) =>
      durationOption('--stop-after', text),
    )
    .option('--keep-going', 'go on where a run fails')
    // What comes after the command is for it, with and without --.
    .passThroughOptions()
    .addHelpText('after', TRAIN)
    .addHelpText(
      'after',
      examples([
        'wasm-cache train -- node app.js',
        'wasm-cache train --dir ./wasm-cache -- npm run build',
        'wasm-cache train --stop-after 30s -- node server.js',
      ]),
    )
    .action(action(async () => (await import('./commands/train.js')).command));

  declare(program, 'warm', 'optimises modules ahead of time, all their functions')
    .argument('<module...>', 'a .wasm file, a folder, a package in node_modules, or a pattern in quotes')
    .addOption(new Option('--coverage <which>', 'which functions').argParser(coverageOption).default('full'))
    .option('--jobs <number>', 'modules compiled at once (default: one for each core)', (text) =>
      countOption('--jobs', text, 1),
    )
    .option('--memory <size>', 'memory that they may take together (default: 3/4 of what is available)', (text) =>
      sizeOption('--memory', text),
    )
    .addHelpText('after', WARM)
    .addHelpText(
      'after',
      examples([
        'wasm-cache warm plugin.wasm',
        'wasm-cache warm --dir ./wasm-cache esbuild-wasm sql.js',
        "wasm-cache warm node_modules 'plugins/**/*.wasm' --memory 2GiB",
      ]),
    )
    .action(action(async () => (await import('./commands/warm.js')).command));

  declare(program, 'bench', 'measures what the cache gains for a command, or for a module')
    .argument('<file-or-command...>', 'one .wasm file, or a command after --')
    .option('--runs <number>', 'how often each side is run (default: 5 to 20 times, for about 30 seconds)', (text) =>
      countOption('--runs', text, 2),
    )
    .addHelpText('after', BENCH)
    .addHelpText(
      'after',
      examples([
        'wasm-cache bench -- node app.js',
        'wasm-cache bench --runs 30 -- npx tsc --version',
        'wasm-cache bench plugin.wasm',
      ]),
    )
    .action(action(async () => (await import('./commands/bench.js')).command));

  declare(program, 'push', 'puts artifacts of the cache folder into a store that a fleet shares')
    .option('--to <address>', 'the store (default: WASM_CACHE_REMOTE)')
    .option('--all-engines', 'also what other versions of Node made, and other flags of V8')
    .option(
      '--program <file>',
      "add what it uses to the program's list, which machines with nothing fetch when it starts",
    )
    .addHelpText('after', PUSH)
    .addHelpText('after', STORES)
    .addHelpText(
      'after',
      examples([
        'wasm-cache push',
        'wasm-cache push --program app.js',
        'wasm-cache push --to s3://bucket/prefix --all-engines',
      ]),
    )
    .action(action(async () => (await import('./commands/push.js')).command));

  declare(program, 'pull', 'fetches artifacts from a store, or out of a bundle, into the cache folder')
    .argument('[bundle]', 'a file that "wasm-cache bake" wrote, instead of a store')
    .option('--from <address>', 'the store (default: WASM_CACHE_REMOTE)')
    .option('--all-engines', 'also what is for another Node than this one, or for other flags of V8')
    .option('--program <file>', "only what the program's list has")
    .option('--key <key...>', 'only these modules')
    .addHelpText('after', PULL)
    .addHelpText('after', STORES)
    .addHelpText(
      'after',
      examples([
        'wasm-cache pull',
        'wasm-cache pull --program app.js',
        'wasm-cache pull --dir ./wasm-cache wasm-cache.tar',
      ]),
    )
    .action(action(async () => (await import('./commands/pull.js')).command));

  declare(program, 'bake', 'writes artifacts of the cache folder into one signed file')
    .argument('<bundle>', 'the file, in place of what is there')
    .option('--all-engines', 'also what other versions of Node made, and other flags of V8')
    .addHelpText('after', BAKE)
    .addHelpText('after', examples(['wasm-cache bake wasm-cache.tar', 'wasm-cache bake --all-engines wasm-cache.tar']))
    .action(action(async () => (await import('./commands/bake.js')).command));

  return program;
}

/** A command with the options that all have. */
function declare(program: CliCommand, name: string, summary: string): CliCommand {
  return program
    .command(name)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    .option('-d, --dir <folder>', 'the cache folder (default: WASM_CACHE_DIR, or the one in your cache folder)')
    .option('--json', 'print JSON, for scripts')
    .showHelpAfterError(`(try: wasm-cache ${name} --help)`);
}

/** Runs a command that is loaded now, and prints its document. */
function action<Options, Document>(load: () => Promise<Command<Options, Document>>) {
  return async (...given: unknown[]): Promise<void> => {
    const declaration = given.at(-1) as CliCommand;
    const options = declaration.opts<Options & CommonOptions>();
    const [command, { createContext }, { colorsFor }] = await Promise.all([
      load(),
      import('./context.js'),
      import('./terminal/output.js'),
    ]);
    const document = await command.run(createContext(options, command.showsWarnings), options, declaration.args);
    const output = process[command.output ?? 'stdout'];
    const text = options.json ? JSON.stringify(document, null, 2) : command.render(document, colorsFor(output));
    if (text !== '') output.write(`${text}\n`);
    process.exitCode = command.exitCode?.(document) ?? 0;
  };
}

function examples(lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

function version(): string {
  return JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')).version;
}
