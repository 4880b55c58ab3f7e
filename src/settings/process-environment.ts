import diagnostics_channel from 'node:diagnostics_channel';
import fs from 'node:fs';
import { isWorker } from '../is-worker.js';
import { loadAddon } from '../native/addon.js';
import type { Settings } from './read-settings.js';
import { SETTINGS, variablesFor } from './settings.js';

// Captured: programs patch these objects.
const { readFileSync } = fs;
const { parse, stringify } = JSON;
const { entries, fromEntries } = Object;

type Variables = NodeJS.ProcessEnv;

/** What the main thread leaves to the workers of its process. */
interface Shared {
  variables: Variables;
  /** Warnings that were shown. */
  warnings: string[];
}

const OWN = /^WASM_CACHE_/;

let isLeft = false;

/** Leaves the settings of the main thread to its workers, when there is one. */
export function leaveToWorkers(settings: Settings): void {
  if (isWorker || isLeft) return;
  isLeft = true;
  // Now, because the program may change its environment.
  const ofStores = settings.remote && variablesOfStores(process.env);
  let isSet = false;
  // Node publishes each new worker here, before it runs any JavaScript.
  diagnostics_channel.subscribe('worker_threads', () => {
    if (isSet) return;
    isSet = true;
    try {
      const shared: Shared = { variables: { ...ofStores, ...variablesOf(settings) }, warnings: settings.warnings };
      loadAddon().addon?.setProcessSettings(stringify(shared));
    } catch {
      // The program broke something. The workers have their own environment.
    }
  });
}

/**
 * The variables that this thread's settings come from: in a worker those of its process, because a worker may have another
 * environment.
 */
export function processEnvironment(): { env: Variables; isOwn: boolean; shownWarnings: readonly string[] } {
  if (!isWorker) return { env: process.env, isOwn: true, shownWarnings: [] };
  const shared = sharedByMain();
  const own = entries(process.env).filter(([name]) => !shared || !OWN.test(name));
  const { variables, warnings } = shared ?? { variables: initialVariables(), warnings: [] };
  return { env: { ...fromEntries(own), ...variables }, isOwn: false, shownWarnings: warnings };
}

/** The variables that the clients of stores read. */
export function variablesOfStores(env: Variables): Variables {
  const isOfStores = new RegExp(`^(AWS_|${SETTINGS.remoteToken.variable}$|NODE_EXTRA_CA_CERTS$|SSL_CERT_)`);
  return fromEntries(entries(env).filter(([name]) => isOfStores.test(name)));
}

function sharedByMain(): Shared | undefined {
  const text = loadAddon().addon?.processSettings();
  return text ? parse(text) : undefined;
}

/** Of a process whose main thread has no hook: what it was started with, where the system tells (Linux). */
function initialVariables(): Variables {
  try {
    const lines = readFileSync('/proc/self/environ', 'utf8').split('\0');
    return fromEntries(lines.filter((line) => OWN.test(line)).map((line) => line.split(/=(.*)/s) as [string, string]));
  } catch {
    return {};
  }
}

function variablesOf(settings: Settings): Variables {
  const { directory, mode, learn, minModuleSize, maxSize, secrets, remote, statistics, preload, js, runFile } =
    settings;
  return variablesFor({
    ...{ directory, mode, learn, runFile, minModuleSize: `${minModuleSize}`, maxSize: maxSize?.toString() },
    ...{
      secret: secrets?.join(' '),
      statistics: `${statistics}`,
      preload: `${preload}`,
      js: `${js}`,
      allowUnsigned: `${settings.allowUnsigned}`,
    },
    ...(remote && { remote: remote.url, remoteMode: remote.mode, remoteTimeout: `${remote.timeout}` }),
  });
}
