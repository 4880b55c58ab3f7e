// Door: what authors of strategies test them with. Needs node:test.
export { moduleCacheContract, syncModuleCacheContract } from './testing/contract.js';
export { FakeEngine } from './testing/fake-engine.js';
export { MemoryStore } from './testing/memory-store.js';
export { artifactStoreContract } from './testing/store-contract.js';
