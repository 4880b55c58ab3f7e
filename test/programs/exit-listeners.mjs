import { sumModule } from '../../dist/testing/modules.js';

const before = process.listenerCount('exit');
new WebAssembly.Module(sumModule());
if (process.listenerCount('exit') > before) throw new Error('a small module is none of its business');
for (let offset = 0; offset < 20; offset++) new WebAssembly.Module(sumModule({ offset, padding: 70_000 }));
// Resources that keep a process alive; unref'd timers are not in this list.
const timers = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
console.log(JSON.stringify({ added: process.listenerCount('exit') - before, timers }));
