// Prints what compileAheadOfTime() throws. Argument: a cache folder.
import { sumModule } from '../../.test-build/support/modules.js';
import { compileAheadOfTime } from '../../dist/index.js';

try {
  await compileAheadOfTime(sumModule(), { directory: process.argv[2] });
} catch ({ name, kind, message }) {
  console.log(JSON.stringify({ name, kind, message }));
}
