import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Gives a private folder, which is removed when that is done with it. */
export async function withTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wasm-cache-'));
  try {
    return await use(folder);
  } finally {
    // Processes that nobody waits for may be writing there.
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}
