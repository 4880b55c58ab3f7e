/**
 * For authors of strategies, stores and engines: contract suites, which need `node:test`, and stand-ins.
 *
 * @module wasm-module-cache/testing
 */

export { moduleCacheContract, syncModuleCacheContract } from './testing/contract.js';
export { FakeEngine } from './testing/fake-engine.js';
export { MemoryStore } from './testing/memory-store.js';
export { artifactStoreContract } from './testing/store-contract.js';
