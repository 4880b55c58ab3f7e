/**
 * For authors of strategies, stores and engines: contract suites for `node:test`, a fake engine and a store in memory.
 *
 * @module wasm-module-cache/testing
 */

export { moduleCacheContract, syncModuleCacheContract } from './testing/contract.js';
export { FakeEngine } from './testing/fake-engine.js';
export { MemoryStore } from './testing/memory-store.js';
export { artifactStoreContract } from './testing/store-contract.js';
