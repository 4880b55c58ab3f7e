import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './processes.js';

const { nodeBinary } = await import(pathToFileURL(path.join(root, 'scripts/nodes.mjs')).href);

/** A Node with a V8 that is not among the tested versions, fetched from npm once; or why there is none, which is an error in CI. */
export function untestedNode(major: number): { node?: string; missing?: string } {
  try {
    return { node: nodeBinary(major) };
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    return { missing: `Node ${major} cannot be fetched from npm` };
  }
}
