import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Command as CliCommand, Command as Declaration, Option } from 'commander';
import { packageRoot } from '../package-root.js';
import type { Command } from './command.js';
import type { CommonOptions } from './context.js';
import { EXIT_CODES, HELP } from './help.js';
import { countOption, durationOption, sizeOption } from './options.js';
import { colorsFor, escapedDocument, printLine } from './terminal/output.js';

// Declares what can be given to which command. The command itself is loaded when it is called: `--help` needs none of it.

/** All commands, with their options and their help. */
export function createProgram(): CliCommand {
  const program = new Declaration('wasm-cache')
    .description(
      'Manages the cache of compiled WebAssembly modules that wasm-module-cache keeps between Node processes.',
    )
    .version(version(), '-v, --version')
    .configureHelp({ sortSubcommands: false })
    .helpCommand('help [command]', 'show help for a command')
    .enablePositionalOptions()
    .addHelpText('after', EXIT_CODES)
    .configureOutput({ outputError: (message) => printLine(process.stderr, message.trimEnd()) })
    // So that the process does not end before its output is written.
    .exitOverride();

  declare(
    program,
    'ls',
    'list the artifacts in the cache folder',
    async () => (await import('./commands/ls.js')).command,
  ).addOption(
    new Option('--sort <by>', 'what comes first: the last used, or the largest')
      .choices(['used', 'size'])
      .default('used'),
  );

  declare(
    program,
    'info',
    'show all that is stored for one module',
    async () => (await import('./commands/info.js')).command,
  ).argument('<key-or-file>', 'its key, or its .wasm file');

  declare(
    program,
    'why',
    'tell whether a module would come from the cache, and if not, why',
    async () => (await import('./commands/why.js')).command,
  )
    .argument('<module>', 'its .wasm file')
    .argument('[node-options...]', "options of node, after --: they set V8's flags, and so decide what can be loaded")
    .option('--node <binary>', 'the node to ask (default: the one that runs this command)');

  declare(
    program,
    'doctor',
    'check whether the cache works here, and say what to do if not',
    async () => (await import('./commands/doctor.js')).command,
  );

  declare(
    program,
    'verify',
    'read the whole cache folder, and report what is damaged, untrusted or out of place',
    async () => (await import('./commands/verify.js')).command,
  ).option('--repair', 'remove damaged files and leftovers, and fix what can be fixed');

  declare(
    program,
    'prune',
    'remove artifacts by size, age or engine',
    async () => (await import('./commands/prune.js')).command,
  )
    .option(
      '--max-size <size>',
      'cut the folder to this size, such as 500MiB; the least recently used artifacts go first',
    )
    .option('--older-than <time>', 'remove artifacts that were not used for this time, such as 30d')
    .option('--dead-engines', 'remove artifacts of engines that were not used for two weeks')
    .option('--other-engines', 'remove artifacts of every Node but the one that runs this command')
    .option('--dry-run', 'only show what would be removed');

  declare(
    program,
    'clear',
    'remove everything from the cache folder',
    async () => (await import('./commands/clear.js')).command,
  )
    .option('-y, --yes', 'do not ask')
    .option('--dry-run', 'only show what would be removed');

  declare(
    program,
    'run',
    'run a command with the hook, and say what the cache did',
    async () => (await import('./commands/run.js')).command,
  )
    .argument('<command...>', 'as you would type it in a shell, or a script for node')
    .option('--json-file <file>', 'write the JSON to this file')
    // Options after the command belong to it, with and without --.
    .passThroughOptions();

  declare(
    program,
    'report [file.html]',
    'write a page about the cache: time saved, hit rates, what is stored',
    async () => (await import('./commands/report.js')).command,
  );

  declare(
    program,
    'train',
    'run a command until everything that it runs is optimised and stored',
    async () => (await import('./commands/train.js')).command,
  )
    .argument('<command...>', 'as you would type it in a shell')
    .option('--runs <max>', 'the most runs', (text) => countOption('--runs', text, 1), 10)
    .option(
      '--stop-after <time>',
      'end each run after this time, such as 30s, if the command does not end by itself',
      (text) => durationOption('--stop-after', text),
    )
    .option('--keep-going', 'continue when a run fails')
    .passThroughOptions();

  declare(
    program,
    'warm',
    'optimise all functions of modules ahead of time',
    async () => (await import('./commands/warm.js')).command,
  )
    .argument('<module...>', 'a .wasm file, a folder, a package in node_modules, or a pattern in quotes')
    .option('--jobs <number>', 'modules to compile at once (default: one for each core)', (text) =>
      countOption('--jobs', text, 1),
    )
    .option('--memory <size>', 'memory that they may take together (default: 3/4 of what is available)', (text) =>
      sizeOption('--memory', text),
    );

  declare(
    program,
    'bench',
    'measure what the cache gains for a command or a module',
    async () => (await import('./commands/bench.js')).command,
  )
    .argument('<file-or-command...>', 'one .wasm file, or a command after --')
    .option('--runs <number>', 'runs of each side (default: 5 to 20, for about 30 seconds)', (text) =>
      countOption('--runs', text, 2),
    );

  declare(
    program,
    'push',
    'copy artifacts from the cache folder into a store that a fleet shares',
    async () => (await import('./commands/push.js')).command,
  )
    .option('--to <address>', 'the store (default: WASM_CACHE_REMOTE)')
    .option('--all-engines', 'include artifacts of other versions of Node and other V8 flags')
    .option(
      '--program <file>',
      "add the modules that it uses to the program's record, which new machines fetch at its start",
    );

  declare(
    program,
    'pull',
    'copy artifacts from a store or a bundle into the cache folder',
    async () => (await import('./commands/pull.js')).command,
  )
    .argument('[bundle]', 'a file that "wasm-cache bake" wrote, instead of a store')
    .option('--from <address>', 'the store (default: WASM_CACHE_REMOTE)')
    .option('--all-engines', 'include artifacts of other versions of Node and other V8 flags')
    .option('--program <file>', "only the modules in the program's record")
    .option('--key <key...>', 'only these modules');

  declare(
    program,
    'bake',
    'write the artifacts of the cache folder into one signed file',
    async () => (await import('./commands/bake.js')).command,
  )
    .argument('<bundle>', 'the file; an existing one is replaced')
    .option('--all-engines', 'include artifacts of other versions of Node and other V8 flags');

  return program;
}

/** A command with the options that all commands have, and its help. */
function declare<Options, Document>(
  program: CliCommand,
  name: string,
  summary: string,
  load: () => Promise<Command<Options, Document>>,
): CliCommand {
  const [word = ''] = name.split(' ');
  const { text = '', examples } = HELP[word] ?? { examples: [] };
  return program
    .command(name)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    .option('-d, --dir <folder>', 'the cache folder (default: WASM_CACHE_DIR, or one in your user cache folder)')
    .option('--json', 'print JSON, for scripts')
    .addHelpText('after', `${text}\n\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`)
    .showHelpAfterError(`(try: wasm-cache ${word} --help)`)
    .action(action(load));
}

/** Loads a command and runs it. Prints its document. */
function action<Options, Document>(load: () => Promise<Command<Options, Document>>) {
  return async (...given: unknown[]): Promise<void> => {
    const declaration = given.at(-1) as CliCommand;
    const options = declaration.opts<Options & CommonOptions>();
    const [command, { createContext }] = await Promise.all([load(), import('./context.js')]);
    const document = await command.run(createContext(options, command.showsWarnings), options, declaration.args);
    const output = process[command.output ?? 'stdout'];
    const text = options.json
      ? JSON.stringify(document, null, 2)
      : command.render(escapedDocument(document), colorsFor(output));
    if (text !== '') output.write(`${text}\n`);
    process.exitCode = command.exitCode?.(document) ?? 0;
  };
}

function version(): string {
  return JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')).version;
}
