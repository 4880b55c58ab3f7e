// Starts a learner as the hook does, and runs until its standard input is closed. Arguments: "ending" or "going on", folder,
// engine id.
import { FileSystemCache } from '../../dist/index.js';
import { startLearner } from '../../dist/learning/start-learner.js';

const [state, directory, engineId] = process.argv.slice(2);
console.log(`started ${startLearner(new FileSystemCache(directory), engineId, state === 'ending')}`);
process.stdin.resume();
