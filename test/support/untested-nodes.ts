import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './processes.js';

const { nodeBinary, SUPPORTED } = await import(pathToFileURL(path.join(root, 'scripts/nodes.mjs')).href);
const [oldest] = SUPPORTED;

/** A Node with an untested V8, fetched from npm once, or why there is none, which is an error in CI. */
export function untestedNode(major: number): { node?: string; missing?: string } {
  if (!process.version.startsWith(`v${oldest}.`)) {
    return { missing: `The Node of this process does not matter: run once, on Node ${oldest}` };
  }
  try {
    return { node: nodeBinary(major) };
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return { missing: `Node ${major} cannot be fetched from npm` };
  }
}
