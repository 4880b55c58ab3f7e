// Uses a SharedCache without the addon. Prints which of five modules it keeps when it may keep three and the first one was used again.
Object.defineProperty(process, 'versions', { value: { ...process.versions, electron: '99' } });
const { SharedCache } = await import('../../dist/index.js');
const { FakeEngine } = await import('../../dist/testing.js');
const { sample } = await import('../../dist/testing/sample.js');

const engine = new FakeEngine();
const cache = new SharedCache({ maxModules: 3 });
const samples = [1, 2, 3, 4, 5].map((offset) => sample({ offset, engine }));
for (const [index, { key, module }] of samples.entries()) {
  if (index > 2) new SharedCache().loadSync(samples[0].key, engine);
  cache.saveSync(key, engine, module);
}
const kept = samples.flatMap(({ key }, index) => (cache.containsSync(key, engine) ? [index + 1] : []));
const sameObject = new SharedCache().loadSync(samples[0].key, engine) === samples[0].module;
console.log(JSON.stringify({ reason: cache.unsupportedReason, kept, sameObject }));
