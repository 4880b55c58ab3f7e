import { whyNotThisEngine } from '../../engine/engine-id.js';
import type { Entry } from '../folder/entries.js';
import { askNode, type NodeCommand } from './ask-node.js';
import type { Reason } from './document.js';

/** Which options decide the engine of a node. */
export interface EngineOptions {
  /** Whether the node was started with any option. */
  areGiven: boolean;
  /** The options that each make another engine. */
  changing: string[];
  /** The id of the engine without any option. */
  engineIdWithout: string;
}

const RUN = 'run a program that uses it with node --import wasm-module-cache/register';

/**
 * Why there is no artifact for an engine.
 *
 * @param others - the module's artifacts for other engines, the most similar engine first
 */
export function whyNotFound(
  directory: string,
  engineId: string,
  others: Entry[],
  options: EngineOptions | undefined,
): Reason {
  const [closest] = others;
  if (!closest) return { code: 'not-found', message: `nothing is stored for it in ${directory}`, advice: RUN };
  const [why] = whyNotThisEngine(closest.engine.id, engineId);
  const advice = `${RUN}, in this node`;
  if (!closest.engine.isThisNode) {
    return { code: 'other-engine', message: `it is stored for another engine only: ${why}`, advice };
  }
  if (!options?.changing.length) {
    const none = options?.areGiven ? '; none of the given options changes them' : '';
    return { code: 'other-engine', message: `it is stored for this Node, but with ${why}${none}`, advice };
  }
  const isStoredWithout = others.some(({ engine }) => engine.id === options.engineIdWithout);
  return {
    code: 'other-engine',
    message: `it is stored for this Node with other V8 flags: the option ${options.changing.join(' ')} changes them`,
    advice: isStoredWithout ? `leave that option out, or ${advice}` : advice,
  };
}

/** Tries each option of a node on its own. `undefined` when that node cannot be asked. */
export async function findEngineOptions({
  node,
  options,
  nodeOptions = '',
}: NodeCommand): Promise<EngineOptions | undefined> {
  const given = [...new Set([...options, ...nodeOptions.split(/\s+/)])].filter((option) => option.startsWith('-'));
  const engineIdWith = async (...each: string[]) =>
    (await askNode({ node, options: each, nodeOptions: undefined })).engineId;
  try {
    const engineIdWithout = await engineIdWith();
    const changing: string[] = [];
    for (const option of given) {
      // An option that cannot stand alone has a value. It loads code or the like, and changes no flags.
      const engineId = await engineIdWith(option).catch(() => engineIdWithout);
      if (engineId !== engineIdWithout) changing.push(option);
    }
    return { areGiven: given.length > 0, changing, engineIdWithout };
  } catch {
    return undefined;
  }
}
