import { artifactStoreContract, MemoryStore } from '../../dist/testing.js';

artifactStoreContract('MemoryStore', () => new MemoryStore());

class UnconditionalStore extends MemoryStore {
  override readonly isConditional: boolean = false;
}

artifactStoreContract('a MemoryStore that minds no versions', () => new UnconditionalStore());
