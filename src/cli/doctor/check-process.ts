import path from 'node:path';
import { V8Engine } from '../../engine/v8-engine.js';
import { whyNotLearnt } from '../../learning/start-learner.js';
import { loadAddon } from '../../native/addon.js';
import { packageRoot } from '../../package-root.js';
import type { Settings } from '../../settings/read-settings.js';
import { sourceOf } from '../../settings/sources.js';
import { type Finding, ok, problem, warning } from './finding.js';

/** Checks this Node and its environment. */
export function checkProcess(settings: Settings): Finding[] {
  return [
    checkNode(),
    checkAddon(),
    ...checkSettings(settings),
    checkNodeOptions(),
    checkSecret(settings),
    checkLearning(settings),
  ];
}

function checkNode(): Finding {
  const { version, versions, platform, arch } = process;
  const { unsupportedReason, deterministicId } = new V8Engine();
  const name = `Node ${version} with V8 ${versions.v8} on ${platform}-${arch}`;
  if (unsupportedReason === undefined) return ok('node', `${name}: engine ${deterministicId}`);
  const advice =
    'use a release of Node 20.19+, 22.12+, 24 or 26, without options that turn the cache off; until then programs run without it';
  return problem('node', `${name} cannot use native code: ${unsupportedReason}`, advice);
}

function checkAddon(): Finding {
  const { addon, file, error } = loadAddon();
  if (!addon) {
    const reason = error instanceof Error ? error.message : String(error);
    return problem(
      'addon',
      `the addon cannot be loaded: ${reason.split('\n')[0]}`,
      'remove the package and install it again; in a checkout: npm run build:native',
    );
  }
  return ok('addon', file ?? 'found by node-gyp-build');
}

function checkSettings({ warnings, mode }: Settings): Finding[] {
  const findings = warnings.map((each) => warning('settings', each, 'correct the variable'));
  if (mode === 'off') {
    const by = sourceOf('mode') ?? 'its secret, which is wrong';
    findings.push(problem('mode', `the cache is turned off by ${by}`, `unset ${by.replace(/=.*/, '')}`));
  } else if (mode === 'read-only') {
    findings.push(ok('mode', 'read-only: modules are loaded, but not stored'));
  } else findings.push(ok('mode', 'read-write'));
  return findings;
}

function checkNodeOptions(): Finding {
  const { NODE_OPTIONS: options } = process.env;
  if (!options)
    return ok(
      'node-options',
      'NODE_OPTIONS is not set: start node with --import wasm-module-cache/register to have the hook',
    );
  const isHooked =
    options.includes('wasm-module-cache/register') || options.includes(path.join(packageRoot, 'dist/register.'));
  const message = `NODE_OPTIONS=${options} ${isHooked ? 'starts the hook in every node' : 'does not start the hook'}`;
  return ok('node-options', message);
}

function checkSecret({ secrets }: Settings): Finding {
  if (!secrets) return ok('secret', 'none: artifacts are not signed. A private folder does not need signatures');
  return ok(
    'secret',
    `artifacts are signed with ${sourceOf('secret')}${secrets.length > 1 ? `; ${secrets.length} secrets are accepted` : ''}`,
  );
}

function checkLearning({ learn }: Settings): Finding {
  const reason = whyNotLearnt();
  if (reason !== undefined) {
    const advice = 'nothing: what V8 optimises in a program is still stored, but it takes more runs';
    return warning('learning', `no learner can run: ${reason}`, advice);
  }
  if (learn !== 'off')
    return ok('learning', `${learn}: after a program, a learner optimises its modules in a process of its own`);
  const source = sourceOf('learn');
  if (source === 'WASM_CACHE_LEARN=off') return ok('learning', `off, because ${source} is set`);
  const advice = 'nothing, if the folder is thrown away after the job; otherwise set WASM_CACHE_LEARN=hot';
  return warning('learning', `off, because CI=${process.env.CI} is set`, advice);
}
