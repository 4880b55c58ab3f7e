// Starts a learner as the hook does, and runs until its standard input is closed. Arguments: "ending" or "going on", folder,
// engine id, keys.
import { FileSystemCache } from '../../dist/index.js';
import { startLearner } from '../../dist/learning/start-learner.js';
import { ModuleHash } from '../../dist/module-hash.js';

const [state, directory, engineId, ...keys] = process.argv.slice(2);
startLearner(
  new FileSystemCache(directory),
  engineId,
  'hot',
  keys.map((key) => ModuleHash.parseHex(key)),
  state === 'ending',
);
console.log('started');
process.stdin.resume();
