import type { ArtifactStore } from '../../artifact-store.js';
import { entryName } from '../../caches/entry-name.js';
import { V8Engine } from '../../engine/v8-engine.js';
import { ModuleHash } from '../../module-hash.js';
import type { Settings } from '../../settings/read-settings.js';
import { openStore } from '../../stores/open-store.js';
import { withoutSecrets } from '../../stores/remote-url.js';
import { PatientStore } from '../store/remote-store.js';
import { formatDuration } from '../terminal/output.js';
import { type Finding, ok, problem, warning } from './finding.js';

/** How the store behind the folder answered. */
export interface StoreCheck {
  finding: Finding;
  /** Its address without user names and passwords; `null` when no store is used. */
  description: string | null;
  /** Milliseconds of the first answer, and the median of later ones; `null` without an answer. */
  connectMilliseconds: number | null;
  latencyMilliseconds: number | null;
}

/** Asks the store for an artifact that it does not have. Stores nothing there. */
export async function checkStore({ remote, mode }: Settings): Promise<StoreCheck> {
  const nothing = { description: null, connectMilliseconds: null, latencyMilliseconds: null };
  if (!remote) {
    const isWanted = Boolean(process.env.WASM_CACHE_REMOTE);
    const finding = isWanted
      ? problem('store', 'WASM_CACHE_REMOTE is set, but not used', 'correct it as the warning about the settings says')
      : ok('store', 'none: WASM_CACHE_REMOTE is not set');
    return { ...nothing, finding };
  }
  const description = withoutSecrets(remote.url);
  const name = entryName({ key: ModuleHash.random(), engineId: new V8Engine().deterministicId });
  let store: ArtifactStore | undefined;
  try {
    store = new PatientStore(await openStore(remote.url), PATIENCE);
    const connectMilliseconds = await askOnce(store, name);
    const later = [await askOnce(store, name), await askOnce(store, name), await askOnce(store, name)];
    const latencyMilliseconds = later.sort((a, b) => a - b)[1] as number;
    const answers = { description: store.description, connectMilliseconds, latencyMilliseconds };
    return { ...answers, finding: judge(answers, remote.timeout, mode) };
  } catch (error) {
    const message = (error as Error).message.replaceAll(name, 'an artifact');
    const finding = problem('store', `${description} cannot be used: ${message}`, ADVICE);
    return { ...nothing, description, finding };
  } finally {
    await store?.close?.().catch(() => {});
  }
}

const ADVICE = 'check the address, the network and the credentials; until then programs run without the store';
/** Milliseconds for one answer. */
const PATIENCE = 5_000;

async function askOnce(store: ArtifactStore, name: string): Promise<number> {
  const start = performance.now();
  await store.get(name);
  return performance.now() - start;
}

function judge(
  {
    description,
    connectMilliseconds,
    latencyMilliseconds,
  }: { description: string; connectMilliseconds: number; latencyMilliseconds: number },
  timeout: number,
  mode: Settings['mode'],
): Finding {
  const message = `${description} answers in ${formatDuration(latencyMilliseconds)}, the first time in ${formatDuration(connectMilliseconds)}`;
  if (mode === 'read-only') {
    return warning(
      'store',
      `${message}, but is not used: WASM_CACHE_MODE=read-only`,
      'set WASM_CACHE_MODE=read-write to use it',
    );
  }
  if (connectMilliseconds < timeout) return ok('store', message);
  const advice = 'set WASM_CACHE_REMOTE_TIMEOUT to more than the first answer takes';
  return warning('store', `${message}, but programs wait for ${formatDuration(timeout)} at most`, advice);
}
