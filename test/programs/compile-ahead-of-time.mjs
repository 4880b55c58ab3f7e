// Prints what compileAheadOfTime() throws. Argument: a cache folder.

import { compileAheadOfTime } from '../../dist/index.js';
import { sumModule } from '../../dist/testing/modules.js';

try {
  await compileAheadOfTime(sumModule(), { directory: process.argv[2] });
} catch ({ name, kind, message }) {
  console.log(JSON.stringify({ name, kind, message }));
}
