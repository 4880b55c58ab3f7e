// Imported first by scripts that use dist/ or .test-build/: builds what is not up to date. The script may have been linked to the old
// files by then, so it starts again.
import { spawnSync } from 'node:child_process';
import { build, staleOutputs } from './build.mjs';

if (staleOutputs().length > 0) {
  await build();
  const { status } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exit(status ?? 1);
}
