import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Command as CliCommand, Command as Declaration, Option } from 'commander';
import { packageRoot } from '../package-root.js';
import type { Command } from './command.js';
import type { CommonOptions } from './context.js';
import { type CommandHelp, EXIT_CODES, HELP } from './help.js';
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

  declare(program, 'ls').addOption(
    new Option('--sort <by>', 'what comes first: the last used, or the largest')
      .choices(['used', 'size'])
      .default('used'),
  );

  declare(program, 'info').argument('<key-or-file>', 'its key, or its .wasm file');

  declare(program, 'why')
    .argument('<module>', 'its .wasm file')
    .argument('[node-options...]', "options of node, after --: they set V8's flags, and so decide what can be loaded")
    .option('--node <binary>', 'the node to ask (default: the one that runs this command)');

  declare(program, 'doctor');

  declare(program, 'verify').option('--repair', 'remove damaged files and leftovers, and fix what can be fixed');

  declare(program, 'prune')
    .option(
      '--max-size <size>',
      'cut the folder to this size, such as 500MiB; the least recently used artifacts go first',
    )
    .option('--older-than <time>', 'remove artifacts that were not used for this time, such as 30d')
    .option('--dead-engines', 'remove artifacts of engines that were not used for two weeks')
    .option('--other-engines', 'remove artifacts of every Node but the one that runs this command')
    .option('--dry-run', 'only show what would be removed');

  declare(program, 'clear').option('-y, --yes', 'do not ask').option('--dry-run', 'only show what would be removed');

  declare(program, 'run')
    .argument('<command...>', 'as you would type it in a shell, or a script for node')
    .option('--json-file <file>', 'write the JSON to this file')
    .option('--js', "turn on Node's own compile cache for JavaScript, too (Node 22.1 and later)")
    // Options after the command belong to it, with and without --.
    .passThroughOptions();

  declare(program, 'report [file.html]');

  declare(program, 'train')
    .argument('<command...>', 'as you would type it in a shell, or a script for node')
    .option('--runs <max>', 'the most runs', (text) => countOption('--runs', text, 1), 10)
    .option(
      '--stop-after <time>',
      'end each run after this time, such as 30s, if the command does not end by itself',
      (text) => durationOption('--stop-after', text),
    )
    .option('--keep-going', 'continue when a run fails')
    .passThroughOptions();

  declare(program, 'warm')
    .argument('<module...>', 'a .wasm file, a folder, a package in node_modules, or a pattern in quotes')
    .option('--jobs <number>', 'modules to compile at once (default: one for each core)', (text) =>
      countOption('--jobs', text, 1),
    )
    .option('--memory <size>', 'memory that they may take together (default: 3/4 of what is available)', (text) =>
      sizeOption('--memory', text),
    );

  declare(program, 'bench')
    .argument('<command...>', 'as you would type it in a shell, or a script for node')
    .option('--runs <number>', 'runs of each side (default: 5 to 20, for about 30 seconds)', (text) =>
      countOption('--runs', text, 2),
    )
    .passThroughOptions();

  declare(program, 'push')
    .option('--to <address>', 'the store (default: WASM_CACHE_REMOTE)')
    .option('--all-engines', 'include artifacts of other versions of Node and other V8 flags')
    .option(
      '--program <file>',
      "add the modules that it uses to the program's record, which new machines fetch at its start",
    );

  declare(program, 'pull')
    .argument('[bundle]', 'a file that "wasm-cache bake" wrote, instead of a store')
    .option('--from <address>', 'the store (default: WASM_CACHE_REMOTE)')
    .option('--all-engines', 'include artifacts of other versions of Node and other V8 flags')
    .option('--program <file>', "only the modules in the program's record")
    .option('--key <key...>', 'only these modules');

  declare(program, 'bake')
    .argument('<bundle>', 'the file; an existing one is replaced')
    .option('--all-engines', 'include artifacts of other versions of Node and other V8 flags');

  return program;
}

/** A command with the options that all commands have, and its help. */
function declare(program: CliCommand, name: string): CliCommand {
  const [word = ''] = name.split(' ');
  const { summary, text = '', examples } = HELP[word] as CommandHelp;
  return program
    .command(name)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    .option('-d, --dir <folder>', 'the cache folder (default: WASM_CACHE_DIR, or one in your user cache folder)')
    .option('--json', 'print JSON, for scripts')
    .addHelpText('after', `${text}\n\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`)
    .showHelpAfterError(`(try: wasm-cache ${word} --help)`)
    .action((...given) => run(word, given.at(-1) as CliCommand));
}

/** Loads a command and runs it. Prints its document. */
async function run(name: string, declaration: CliCommand): Promise<void> {
  const options = declaration.opts<CommonOptions>();
  const [{ command }, { createContext }] = await Promise.all([
    import(`./commands/${name}.js`) as Promise<{ command: Command<CommonOptions, unknown> }>,
    import('./context.js'),
  ]);
  const document = await command.run(createContext(options, command.showsWarnings), options, declaration.args);
  const output = process[command.output ?? 'stdout'];
  const text = options.json
    ? JSON.stringify(document, null, 2)
    : command.render(escapedDocument(document), colorsFor(output));
  if (text !== '') output.write(`${text}\n`);
  process.exitCode = command.exitCode?.(document) ?? 0;
}

function version(): string {
  return JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')).version;
}
