// Holds a job and the lock of the folder until it is killed. Arguments: cache folder, key.
import { LearningJobs } from '../../dist/learning/jobs.js';
import { ModuleHash } from '../../dist/module-hash.js';

const [directory, key] = process.argv.slice(2);
const jobs = new LearningJobs(directory);
const content = { engineId: 'engine-1', coverage: 'hot', wireLength: 1, part: Buffer.from('part') };
const lock = jobs.lockFolder();
const held = lock === undefined ? undefined : jobs.hold(ModuleHash.parseHex(key), content);
console.log(held ? 'held, locked' : 'neither');
setInterval(() => held, 1000);
