import { decodeHeader, HEADER_LENGTH, isSigned } from '../../artifact/header.js';
import { batches, type FoundFile, inventory } from '../../caches/inventory.js';
import { describeEngine } from '../../engine/engine-id.js';
import type { Colors } from '../terminal/output.js';
import { readPlainFile } from './plain-file.js';

/** One artifact in the cache folder, as JSON shows it. What a damaged one does not tell is `null`. */
export interface Entry {
  key: string;
  /** Its absolute path. */
  file: string;
  size: number;
  /** Of the module itself. */
  moduleSize: number | null;
  nativeCodeSize: number | null;
  coverage: 'none' | 'hot' | 'full' | null;
  generation: number | null;
  /** Whether nothing is left to learn about the module. */
  final: boolean | null;
  /** Until when the hook bypasses it, because loading it did not pay. */
  bypassedUntil: string | null;
  /** Whether it has a signature, with any secret. */
  signed: boolean | null;
  engine: EntryEngine;
  /** `null` when the file system does not know. */
  writtenAt: string | null;
  /** To the hour. */
  usedAt: string;
  /** Why it cannot be loaded, as far as its header tells. */
  damage: string | null;
}

/** An artifact with the name of its module. */
export interface NamedEntry extends Entry {
  /** The package that called WebAssembly, or else the file; from the folder's statistics. */
  name: string | null;
}

/** The engine that made the native code. If it is not V8, everything but the id is `null`. */
export interface EntryEngine {
  id: string;
  node: string | null;
  v8: string | null;
  platform: string | null;
  arch: string | null;
  /** V8's tag for its flags and the CPU's features. */
  tag: string | null;
  /** Whether it is the Node that runs this command: the same version, build and platform. */
  isThisNode: boolean;
  /** Whether this process could load the native code: also the same V8 flags and CPU features. */
  isThisEngine: boolean;
}

/** The artifacts in a cache folder, and all other files. */
export interface Contents {
  entries: Entry[];
  others: FoundFile[];
}

/**
 * @param engineId - of the engine of this process
 * @param isWanted - selects artifacts by the names of their files
 */
export async function readContents(
  directory: string,
  engineId: string,
  isWanted: (found: FoundFile) => boolean = () => true,
): Promise<Contents> {
  const artifacts: FoundFile[] = [];
  const others: FoundFile[] = [];
  for await (const found of inventory(directory)) {
    if (found.kind !== 'artifact') others.push(found);
    else if (isWanted(found)) artifacts.push(found);
  }
  const entries: Entry[] = [];
  for (const batch of batches(artifacts)) {
    const read = await Promise.all(batch.map((found) => readEntry(found, engineId)));
    entries.push(...read.filter((entry) => entry !== undefined));
  }
  return { entries, others };
}

/** `undefined` when the file is gone by now. */
async function readEntry({ key, file, size, engine, usedAt }: FoundFile, here: string): Promise<Entry | undefined> {
  const entry: Entry = {
    ...{ key, file, size, moduleSize: null, nativeCodeSize: null, coverage: null, generation: null, final: null },
    ...{ bypassedUntil: null, signed: null, engine: entryEngine(engine, here), writtenAt: null },
    ...{ usedAt: isoTime(usedAt), damage: null },
  };
  try {
    const { bytes, stats } = await readPlainFile(file, HEADER_LENGTH);
    const { engineId, coverage, generation, final, bypassedUntil, nativeLength, wireLength, includesWireBytes } =
      decodeHeader(bytes);
    const announced = HEADER_LENGTH + nativeLength + (includesWireBytes ? wireLength : 0);
    return {
      ...{ ...entry, moduleSize: wireLength, nativeCodeSize: nativeLength, coverage, generation, final },
      bypassedUntil: bypassedUntil === 0 ? null : isoTime(bypassedUntil * 60_000),
      signed: isSigned(bytes),
      engine: entryEngine(engineId, here),
      // A file that was copied here is younger than its time stamp.
      writtenAt: stats.birthtimeMs > 0 ? isoTime(Math.min(stats.birthtimeMs, usedAt)) : null,
      damage: size === announced ? null : `${size} bytes where the header announces ${announced}`,
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return { ...entry, damage: (error as Error).message };
  }
}

export function entryEngine(id: string, here: string): EntryEngine {
  const made = describeEngine(id);
  const own = describeEngine(here);
  const isSame = (name: 'node' | 'v8' | 'platform' | 'arch' | 'binarySize') => made?.[name] === own?.[name];
  const { node = null, v8 = null, platform = null, arch = null, tag = null } = made ?? {};
  const isThisNode = made !== undefined && (['node', 'v8', 'platform', 'arch', 'binarySize'] as const).every(isSame);
  return { id, node, v8, platform, arch, tag, isThisNode, isThisEngine: id === here };
}

/** The engine for people: `Node 22.11.0`, and how it differs from the one here. */
export function engineName({ id, node, platform, arch, isThisNode, isThisEngine }: EntryEngine): string {
  if (node === null) return id;
  const name = `Node ${node.slice(1)}`;
  if (isThisEngine) return name;
  if (isThisNode) return `${name}, other flags or CPU`;
  const isHere = platform === process.platform && arch === process.arch;
  return isHere ? name : `${name} ${platform}-${arch}`;
}

/** The coverage, or what matters more than that. */
export function coverageOf({ coverage, final, bypassedUntil, damage }: Entry, colors: Colors): string {
  if (damage !== null) return colors.red('damaged');
  if (bypassedUntil !== null) return colors.yellow('bypassed');
  return final ? `${coverage}, final` : `${coverage}`;
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
