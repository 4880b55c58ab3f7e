import fs from 'node:fs';
import path from 'node:path';
import type { FileSystemCache } from '../caches/file-system.js';
import { runSync } from '../files/steps.js';
import type { Engine } from '../module-cache.js';
import { ModuleHash } from '../module-hash.js';
import type { RemoteSettings } from '../settings/read-settings.js';
import { FileSystemStore } from '../stores/file-system.js';
import type { ProgramRecord } from '../stores/program-record.js';
import type { FetchedArtifact, Found, Question, RemoteFailure, RemoteTask } from './remote-messages.js';
import { RemoteThread } from './remote-thread.js';

// Captured: programs patch and empty these objects.
const { statSync } = fs;
const { bigint: nanoseconds } = process.hrtime;
const { now } = Date;
const { random } = Math;
// The types do not know that it exists only under the permission model.
const permission = process.permission as NodeJS.ProcessPermission | undefined;
const milliseconds = () => Number(nanoseconds()) / 1e6;

/** Milliseconds for which programs of this machine do not ask a failed store: at random half to one and a half of this. */
const DOWN_FOR = 30_000;
/** The same if the machine was too busy to start the thread or load a client in time, which says little about the store. */
const BUSY_FOR = 5_000;
const DOWN_MARK = 'remote-down';
/** Milliseconds between two checks for an answer. */
const LOOKED_AT_EVERY = 1;
/** Milliseconds that the thread stays after the deadline, for late answers. */
const LATE_AT_MOST = 10_000;

/**
 * The store behind the folder, as a program sees it. A thread talks to the store, so that neither its client nor its errors disturb
 * the program. A program waits in vain only once; after that the tier is off.
 */
export class RemoteTier {
  readonly #task: Omit<RemoteTask, 'program'>;
  readonly #timeout: number;
  readonly #folder: FileSystemCache;
  readonly #engine: Engine;
  readonly #onFailure: (failure: RemoteFailure) => void;
  #thread: RemoteThread | undefined;
  #program: ProgramRecord | undefined;
  /** Requested modules without an answer yet. */
  readonly #open = new Set<string>();
  /** Modules with an answer: the folder has the artifact or is about to, or the store does not have it. */
  readonly #settled = new Set<string>();
  #end: NodeJS.Timeout | undefined;
  #isOff: boolean;
  #isMarkMade = false;
  /** Whether another process found the store down shortly before this one started. */
  readonly wasDown: boolean;

  constructor(
    { url, timeout, allowUnsigned }: Omit<RemoteSettings, 'mode'>,
    folder: FileSystemCache,
    engine: Engine,
    onFailure: (failure: RemoteFailure) => void,
  ) {
    const { directory, signer, limits } = folder;
    this.#folder = folder;
    this.#engine = engine;
    this.#onFailure = onFailure;
    this.#timeout = timeout;
    const patience = timeout + LATE_AT_MOST;
    this.#task = { url, allowUnsigned, directory, secrets: signer?.secrets, maxSize: limits.maxSize, patience };
    this.wasDown = this.#isMarked();
    this.#isOff = this.wasDown;
  }

  /** Whether to ask the store. */
  get isOn(): boolean {
    return !this.#isOff;
  }

  /** Begins to fetch the modules of the program record in the store. */
  prefetch(program: ProgramRecord): void {
    if (this.#isOff) return;
    this.#program = program;
    this.#start();
  }

  /** The artifact of the module. Waits for it, in vain at most once. */
  fetchSync(question: Question): FetchedArtifact | undefined {
    if (!this.#ask(question)) return undefined;
    const found = this.#thread?.answer(question.key, this.#timeout);
    if (found === undefined) this.#giveUpWaiting();
    return this.#settle(question, found);
  }

  /** The answer without waiting; `undefined` if the caller must wait for {@link fetch}. */
  fetchNow(question: Question): FetchedArtifact | 'nothing' | undefined {
    if (!this.#ask(question)) return 'nothing';
    const found = this.#thread?.answer(question.key, 0);
    return found === undefined && !this.#isOff ? undefined : (this.#settle(question, found) ?? 'nothing');
  }

  /** The asynchronous {@link fetchSync}. Of two calls at once only one gets the artifact. Never rejects. */
  async fetch(question: Question): Promise<FetchedArtifact | undefined> {
    if (!this.#ask(question)) return undefined;
    const end = milliseconds() + this.#timeout;
    for (;;) {
      if (this.#settled.has(question.key)) return undefined;
      // Before the deadline counts: if the program kept its event loop busy, the answer may have come in time.
      const found = this.#thread?.answer(question.key, 0);
      if (found !== undefined || this.#isOff) return this.#settle(question, found);
      if (milliseconds() >= end) break;
      // This timer keeps the process alive, as V8 does while it compiles.
      await new Promise((resolve) => setTimeout(resolve, LOOKED_AT_EVERY));
    }
    this.#giveUpWaiting();
    return undefined;
  }

  /** Once. */
  #settle({ key, wireLength }: Question, found: Found | undefined): FetchedArtifact | undefined {
    if (found === undefined) return undefined;
    this.#settled.add(key);
    this.#open.delete(key);
    if (found === 'nothing') return undefined;
    if (found === 'in folder') return this.#readFolder(key, wireLength);
    if ('failure' in found) {
      this.#take(found);
      return undefined;
    }
    return found;
  }

  #readFolder(key: string, wireLength: number): FetchedArtifact | undefined {
    try {
      const artifact = this.#folder.readArtifactSync(ModuleHash.parseHex(key), this.#engine, wireLength);
      const { key: _, wireBytes: __, ...found } = artifact;
      return found;
    } catch {
      return undefined; // another process has removed it
    }
  }

  /** @returns whether there will be an answer */
  #ask(question: Question): boolean {
    const { key } = question;
    if (this.#isOff || this.#settled.has(key)) return false;
    if (!this.#thread) this.#start();
    this.#stayAwhile();
    if (!this.#open.has(key)) this.#thread?.ask(question);
    this.#open.add(key);
    return !this.#isOff;
  }

  /** Ends the unused thread, which takes some 10 MB, for programs that go on. */
  #stayAwhile(): void {
    if (this.#end) clearTimeout(this.#end);
    this.#end = setTimeout(() => {
      this.#thread?.close();
      this.#thread = undefined;
      this.#program = undefined;
      for (const key of this.#open) this.#settled.add(key);
    }, this.#task.patience);
    this.#end.unref();
  }

  #start(): void {
    if (isKeptFromNetwork(this.#task.url)) {
      this.#turnOff('the permission model keeps this program from the network');
      return;
    }
    try {
      this.#thread = new RemoteThread({ ...this.#task, program: this.#program?.name }, (failure) =>
        this.#take(failure),
      );
    } catch (error) {
      this.#turnOff(String(error)); // for example, no threads under the permission model
    }
    this.#stayAwhile();
  }

  #take(failure: RemoteFailure): void {
    if (failure.of === 'store') this.#giveUp(failure);
    else this.#onFailure(failure);
  }

  /** Turns the tier off for a reason that other processes need not know. */
  #turnOff(failure: string): void {
    this.#isOff = true;
    this.#onFailure({ failure, of: 'store' });
  }

  #giveUpWaiting(): void {
    this.#giveUp({ failure: `no answer within ${this.#timeout} ms`, of: 'store' }, this.#thread?.hasAsked);
  }

  /** Turns the tier off. The thread goes on: late artifacts are for the next run. */
  #giveUp(failure: RemoteFailure, isOfStore = true): void {
    const isLate = this.#isOff;
    this.#isOff = true;
    if (!isLate) this.#onFailure(failure);
    if (this.#isMarkMade) return;
    this.#isMarkMade = isOfStore;
    const { directory, secrets } = this.#task;
    const text = Buffer.from(isOfStore ? '' : 'busy');
    try {
      runSync(new FileSystemStore(directory, { isShared: secrets !== undefined }).write(DOWN_MARK, text));
    } catch {
      // The folder cannot be written to, so each program finds out for itself.
    }
  }

  #isMarked(): boolean {
    try {
      const mark = statSync(path.join(this.#task.directory, DOWN_MARK), { throwIfNoEntry: false });
      if (!mark) return false;
      return Math.abs(now() - mark.mtimeMs) < (mark.size > 0 ? BUSY_FOR : DOWN_FOR) * (0.5 + random());
    } catch {
      return false;
    }
  }
}

/** Whether the permission model forbids the network. Node does not enforce that in a thread without the program's options. */
function isKeptFromNetwork(url: string): boolean {
  if (!permission || /^file:/i.test(url)) return false;
  return process.allowedNodeEnvironmentFlags.has('--allow-net') && !permission.has('net');
}
