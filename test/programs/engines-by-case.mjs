// Stores modules for engines whose ids differ only in case, then looks for each, and prints what there was.
import { FileSystemCache, loadModule } from '../../dist/index.js';
import { FakeEngine } from '../../dist/testing/fake-engine.js';
import { instantiate, sumModule } from '../../dist/testing/modules.js';

const cache = new FileSystemCache(process.argv[2]);
const engines = ['Engine', 'engine', 'ENGINE'].map((id) => new FakeEngine(id));
const results = [];
for (const _round of [1, 2]) {
  for (const engine of engines) {
    const { module, source, steps } = await loadModule(sumModule(), { cache, engine });
    const failed = steps.filter(({ outcome }) => outcome === 'failed').length;
    results.push({ source, failed, sum: instantiate(module).sum(1000) });
  }
}
console.log(JSON.stringify(results));
