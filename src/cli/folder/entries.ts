import fs from 'node:fs';
import { type ArtifactHeader, decodeHeader, HEADER_LENGTH, isSigned } from '../../artifact/header.js';
import { batches, type FoundFile, inventory } from '../../caches/inventory.js';
import { describeEngine } from '../../engine/engine-id.js';
import type { Colors } from '../terminal/output.js';

/** One artifact of the cache folder, as JSON shows it. What cannot be read of a damaged one is `null`. */
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
  /** Whether there is nothing left to learn of it. */
  final: boolean | null;
  /** Until when its module is left to V8, because loading it did not pay. */
  bypassedUntil: string | null;
  /** Whether it has a signature, of whatever secret. */
  signed: boolean | null;
  engine: EntryEngine;
  /** `null` where the file system does not tell. */
  writtenAt: string | null;
  /** To the hour. */
  usedAt: string;
  /** Why it cannot be loaded, where its header tells. */
  damage: string | null;
}

/** An artifact with the name of its module. */
export interface NamedEntry extends Entry {
  /** The package that called WebAssembly, or else the file; from the folder's statistics. */
  name: string | null;
}

/** Who made the native code. Of an engine that is none of V8's all but the id is `null`. */
export interface EntryEngine {
  id: string;
  node: string | null;
  v8: string | null;
  platform: string | null;
  arch: string | null;
  /** V8's tag for its flags and the CPU's features. */
  tag: string | null;
  /** Whether it is the Node that runs this command: version, build and platform. */
  isThisNode: boolean;
  /** Whether that Node can load it, started as it was for this command: with the same flags of V8, on the same CPU. */
  isThisEngine: boolean;
}

/** What is in a cache folder: its artifacts, and everything else in it that is a file. */
export interface Contents {
  entries: Entry[];
  others: FoundFile[];
}

/**
 * @param engineId - of the engine of this process
 * @param isWanted - which artifacts are asked for, by the name of their file; the others are left out
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
async function readEntry(found: FoundFile, engineId: string): Promise<Entry | undefined> {
  const { key, file, size } = found;
  let bytes: Uint8Array;
  let birthtimeMs: number;
  try {
    [bytes, { birthtimeMs }] = await readStart(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return { ...unreadable(found, engineId), damage: (error as Error).message };
  }
  let header: ArtifactHeader;
  try {
    header = decodeHeader(bytes);
  } catch (error) {
    return { ...unreadable(found, engineId), damage: (error as Error).message };
  }
  const { coverage, generation, final, bypassedUntil, nativeLength, wireLength, includesWireBytes } = header;
  const announced = HEADER_LENGTH + nativeLength + (includesWireBytes ? wireLength : 0);
  return {
    key,
    file,
    size,
    moduleSize: wireLength,
    nativeCodeSize: nativeLength,
    coverage,
    generation,
    final,
    bypassedUntil: bypassedUntil === 0 ? null : isoTime(bypassedUntil * 60_000),
    signed: isSigned(bytes),
    engine: entryEngine(header.engineId, engineId),
    // A file that was copied here is younger than its time stamp.
    writtenAt: birthtimeMs > 0 ? isoTime(Math.min(birthtimeMs, found.usedAt)) : null,
    usedAt: isoTime(found.usedAt),
    damage: size === announced ? null : `${size} bytes where the header announces ${announced}`,
  };
}

function unreadable({ key, file, size, engine, usedAt }: FoundFile, here: string): Omit<Entry, 'damage'> {
  return {
    ...{ key, file, size, moduleSize: null, nativeCodeSize: null, coverage: null, generation: null, final: null },
    ...{ bypassedUntil: null, signed: null, engine: entryEngine(engine, here), writtenAt: null },
    usedAt: isoTime(usedAt),
  };
}

async function readStart(file: string): Promise<[Uint8Array, fs.Stats]> {
  const handle = await fs.promises.open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(HEADER_LENGTH), 0, HEADER_LENGTH, 0);
    return [buffer.subarray(0, bytesRead), await handle.stat()];
  } finally {
    await handle.close();
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

/** The engine for people: `Node 22.11.0`, and what else it is when that is not the one here. */
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
