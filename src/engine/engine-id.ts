/**
 * The parts of a `deterministicId` of `V8Engine`.
 *
 * @example
 * ```ts
 * import { describeEngine, type EngineDescription, V8Engine } from 'wasm-module-cache';
 *
 * const here: EngineDescription | undefined = describeEngine(new V8Engine().deterministicId);
 * console.log(here?.node === process.version, here?.arch === process.arch); // true true
 * ```
 */
export interface EngineDescription {
  /** Version of Node, as in `process.version`. */
  node: string;
  /** Version of V8, as in `process.versions`. */
  v8: string;
  /** As `process.platform`. */
  platform: string;
  /** As `process.arch`. */
  arch: string;
  /** Size of the node binary in bytes: builds of one version differ. `undefined` when it is not known. */
  binarySize: number | undefined;
  /** Whether native code is supported, which it is only with V8's trap handler for WebAssembly. */
  trapHandler: boolean;
  /** V8's tag for its version, its flags and the CPU's features, which cannot be told apart. Only with the trap handler. */
  tag: string | undefined;
}

const ENGINE_ID =
  /^node-(?<node>v[^_]+)_v8-(?<v8>[^_]+)_(?<platform>[^_-]+)-(?<arch>[^_-]+)_bin-(?<size>\d+|unknown)_(?:trap_tag-(?<tag>[0-9a-f]{8})|unsupported)$/;

/**
 * Splits an engine's id into its parts. `undefined` when it is not an id of `V8Engine`.
 *
 * @example
 * ```ts
 * import { describeEngine } from 'wasm-module-cache';
 *
 * const id = 'node-v26.10.0_v8-14.6.202.34-node.18_linux-x64_bin-129387408_trap_tag-310b2ce3';
 * console.log(describeEngine(id)?.v8); // 14.6.202.34-node.18
 * console.log(describeEngine('my-own-engine')); // undefined
 * ```
 */
export function describeEngine(engineId: string): EngineDescription | undefined {
  const parts = ENGINE_ID.exec(engineId)?.groups;
  if (!parts) return undefined;
  const { node = '', v8 = '', platform = '', arch = '', size, tag } = parts;
  const binarySize = size === 'unknown' ? undefined : Number(size);
  return { node, v8, platform, arch, binarySize, trapHandler: tag !== undefined, tag };
}

/**
 * Why one engine cannot load the native code of another, in words. Empty when it can. Differences that follow from others are left out: where
 * V8 differs, so does its tag.
 *
 * @param engineId - of the engine that made the native code
 * @param here - of the engine that should load it
 * @param unsupportedReason - `Engine.unsupportedReason` of that one, if it is known
 *
 * @example
 * ```ts
 * import { whyNotThisEngine } from 'wasm-module-cache';
 *
 * const made = 'node-v24.1.0_v8-13.6.233.8-node.12_linux-arm64_bin-118000000_trap_tag-11223344';
 * const here = 'node-v26.10.0_v8-14.6.202.34-node.18_linux-x64_bin-129387408_trap_tag-310b2ce3';
 * for (const reason of whyNotThisEngine(made, here)) console.log(reason);
 * // made by Node v24.1.0, this is v26.10.0
 * // made on linux-arm64, this is linux-x64
 * ```
 */
export function whyNotThisEngine(engineId: string, here: string, unsupportedReason?: string): string[] {
  if (engineId === here) return [];
  const made = describeEngine(engineId);
  const own = describeEngine(here);
  if (!made || !own) return [`made by the engine ${JSON.stringify(engineId)}, this is ${JSON.stringify(here)}`];

  const reasons: string[] = [];
  const isSameNode = made.node === own.node;
  const isSameV8 = made.v8 === own.v8;
  const isSameMachine = made.platform === own.platform && made.arch === own.arch;
  if (!isSameNode) reasons.push(`made by Node ${made.node}, this is ${own.node}`);
  if (isSameNode && !isSameV8) reasons.push(`made by V8 ${made.v8}, this is ${own.v8}`);
  if (!isSameMachine) {
    reasons.push(`made on ${made.platform}-${made.arch}, this is ${own.platform}-${own.arch}`);
  }
  if (!made.trapHandler)
    reasons.push('made without the trap handler, or where native code is not supported for another reason');
  if (!own.trapHandler) {
    const why = unsupportedReason ?? 'the trap handler is off, or this Node, V8 or platform has not been tried';
    reasons.push(`native code is not supported in this process: ${why}`);
  }
  if (isSameNode && isSameV8 && isSameMachine && made.binarySize !== own.binarySize) {
    reasons.push(`another build of the same Node: its binary has ${bytes(made)}, this one ${bytes(own)}`);
  }
  if (isSameV8 && isSameMachine && made.tag !== own.tag && made.trapHandler && own.trapHandler) {
    reasons.push(
      `other V8 flags or CPU features: tag ${made.tag}, here ${own.tag} (V8's options given to node or set while it runs, or ` +
        'another model of CPU, real or virtual: the tag does not tell which)',
    );
  }
  return reasons;
}

function bytes({ binarySize }: EngineDescription): string {
  return binarySize === undefined ? 'an unknown size' : `${binarySize} bytes`;
}
