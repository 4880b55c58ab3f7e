// A copy of what the tests need of this checkout, in which one part is another one.
import { cpSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const COPIED = ['dist', '.test-build', 'prebuilds', 'package.json', 'test', 'scripts', 'native', 'src', 'binding.gyp'];

/** @param without - of these parts; what the folder has in their place stays */
export function copyCheckout(folder, without = []) {
  for (const name of COPIED.filter((each) => !without.includes(each))) {
    rmSync(path.join(folder, name), { recursive: true, force: true });
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  rmSync(path.join(folder, 'node_modules'), { force: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
}
