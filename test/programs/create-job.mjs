// Waits until a given time, which is the same for several processes, and then creates a job. Arguments: folder, key, milliseconds since 1970.
import { LearningJobs } from '../../dist/learning/jobs.js';
import { ModuleHash } from '../../dist/module-hash.js';

const [directory, key, moment] = process.argv.slice(2);
while (Date.now() < Number(moment));
const part = Buffer.from(`${process.pid}`);
const created = new LearningJobs(directory).create(ModuleHash.parseHex(key), { wireLength: 1, part });
console.log(created ? `created ${process.pid}` : 'exists');
