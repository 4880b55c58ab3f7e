import { checkSignature, DEFAULT_MAX_ARTIFACT_SIZE } from '../artifact/artifact.js';
import { startUnpacking, type UnpackedArtifact, wanted, wireLengthOf } from '../artifact/packed.js';
import { CacheError } from '../cache-error.js';
import { entryName, type FileSystemCache } from '../caches/file-system.js';
import type { Engine } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import { AnotherWayError, type DirectAnswer, type DirectReader } from '../stores/direct.js';
import { decodeList, type ProgramList } from '../stores/program-list.js';
import type { Found, RemoteSource } from './remote-source.js';

// Captured: programs patch these objects.
const { bigint: nanoseconds } = process.hrtime;
const milliseconds = () => Number(nanoseconds()) / 1e6;

/** Each takes a connection to a web server; what is not fetched ahead is fetched when it is wanted. */
const FETCHED_AHEAD = 16;

/** An answer that came before the program asked for it. */
interface Came extends DirectAnswer {
  unpack: (() => UnpackedArtifact) | undefined;
}

/** A store that is read without a client, by threads of the addon: an answer is there 20 ms before a thread of Node's would have asked. */
export class DirectSource implements RemoteSource {
  readonly hasAsked = true;
  readonly #reader: DirectReader;
  readonly #folder: FileSystemCache;
  readonly #engine: Engine;
  readonly #program: ProgramList | undefined;
  #isListWanted: boolean;
  /** The list that came, until it is in the folder. */
  #list: readonly string[] | undefined;
  readonly #asked = new Set<string>();
  /** Asked for ahead of the program, and not answered. */
  readonly #ahead = new Set<string>();
  readonly #came = new Map<string, Came>();
  /** Asked for by the program, and not answered. */
  readonly #wanted = new Set<string>();
  readonly #unkept = new Map<string, UnpackedArtifact>();

  /** @param program - the list to fetch, and all it tells of */
  constructor(reader: DirectReader, folder: FileSystemCache, engine: Engine, program: ProgramList | undefined) {
    this.#reader = reader;
    this.#folder = folder;
    this.#engine = engine;
    this.#program = program;
    this.#isListWanted = program !== undefined;
    if (program) reader.ask(program.name);
  }

  get isUnkept(): boolean {
    return this.#list !== undefined || this.#unkept.size > 0 || this.#wanted.size > 0;
  }

  ask(key: string): void {
    this.#wanted.add(key);
    this.#askStore(key);
  }

  answer(key: string, patience: number): Found | undefined {
    const end = milliseconds() + patience;
    for (let left = patience; ; left = end - milliseconds()) {
      const found = this.#look(key, left);
      if (found !== undefined || left <= 0) return found;
    }
  }

  advance(patience: number): boolean {
    if (!this.#isListWanted || !this.#program) return true;
    const answer = this.#reader.answer(this.#program.name, patience);
    if (!answer) return false;
    this.#isListWanted = false;
    this.#list = (answer.bytes && decodeList(answer.bytes)) ?? [];
    for (const key of this.#list.slice(0, FETCHED_AHEAD)) {
      this.#ahead.add(key);
      this.#askStore(key);
    }
    return true;
  }

  prepare(wireLength: number): void {
    try {
      this.advance(0);
    } catch {
      // Who asks for a module is told.
    }
    for (const key of this.#ahead) this.#receive(key);
    for (const [key, came] of this.#came) {
      if (!came.bytes || wireLengthOf(came.bytes) !== wireLength) continue;
      came.unpack ??= this.#startUnpacking(key, came.bytes);
    }
  }

  keep(): void {
    try {
      for (const key of this.#wanted) this.answer(key, 0);
    } catch {
      // It is not the way: then nothing comes.
    }
    try {
      if (this.#list) this.#program?.write(this.#list);
      for (const artifact of this.#unkept.values()) this.#folder.copySync(artifact);
    } catch {
      // The disk is full, say; the program's own save will say so.
    }
    this.#list = undefined;
    this.#unkept.clear();
  }

  close(): void {
    this.#reader.close();
  }

  #askStore(key: string): void {
    if (this.#asked.has(key)) return;
    this.#asked.add(key);
    this.#reader.ask(this.#nameOf(key));
  }

  #nameOf(key: string): string {
    return entryName({ key: ModuleHash.parseHex(key), engineId: this.#engine.deterministicId });
  }

  #receive(key: string): void {
    try {
      const answer = this.#reader.answer(this.#nameOf(key), 0);
      if (!answer) return;
      this.#ahead.delete(key);
      this.#came.set(key, { ...answer, unpack: undefined });
    } catch {
      // Who asks for it is told.
    }
  }

  #look(key: string, patience: number): Found | undefined {
    let found: Found | undefined;
    try {
      this.advance(0);
      const came = this.#came.get(key);
      const answer = came ?? this.#reader.answer(this.#nameOf(key), patience);
      if (!answer) return undefined;
      found = answer.bytes ? this.#decode(key, came?.unpack ?? this.#startUnpacking(key, answer.bytes)) : 'nothing';
    } catch (error) {
      if (error instanceof AnotherWayError) throw error;
      found = { failure: error instanceof Error ? error.message : String(error), of: 'store' };
    }
    this.#wanted.delete(key);
    this.#ahead.delete(key);
    this.#came.delete(key);
    return found;
  }

  /** What is not what it should be is thrown when it is wanted. */
  #startUnpacking(key: string, stored: Uint8Array): () => UnpackedArtifact {
    const expected = { key: ModuleHash.parseHex(key), engineId: this.#engine.deterministicId };
    try {
      return startUnpacking(stored, wanted(expected, DEFAULT_MAX_ARTIFACT_SIZE));
    } catch (error) {
      return () => {
        throw error;
      };
    }
  }

  #decode(text: string, unpack: () => UnpackedArtifact): Found {
    try {
      const unpacked = unpack();
      const { artifact, header } = unpacked;
      const { signer } = this.#folder;
      if (signer) checkSignature(header, artifact.nativeCode, artifact.wireBytes, signer);
      this.#unkept.set(text, unpacked);
      const { key: _, wireBytes: __, ...found } = artifact;
      return found;
    } catch (error) {
      if (CacheError.is(error, 'Untrusted')) return { failure: error.message, of: 'signature' };
      return { failure: `The artifact of ${text} is not usable: ${(error as Error).message}`, of: 'artifact' };
    }
  }
}
