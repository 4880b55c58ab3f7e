import fs from 'node:fs';
import path from 'node:path';
import type { FileSystemCache } from '../caches/file-system.js';
import type { Engine } from '../module-cache.js';
import { AnotherWayError } from '../stores/direct.js';
import { FileSystemStore } from '../stores/file-system.js';
import { openDirectly } from '../stores/open-directly.js';
import type { ProgramList } from '../stores/program-list.js';
import { DirectSource } from './direct-source.js';
import type { FetchedArtifact, Found, RemoteFailure, RemoteSource, RemoteTask } from './remote-source.js';
import type { RemoteSettings } from './settings.js';
import { ThreadSource } from './thread-source.js';

// Captured: programs patch and empty these objects.
const { statSync } = fs;
const { bigint: nanoseconds } = process.hrtime;
const { now } = Date;
const { random } = Math;
// The types do not know that it is only there under the permission model.
const permission = process.permission as NodeJS.ProcessPermission | undefined;
const milliseconds = () => Number(nanoseconds()) / 1e6;

/** A store that failed is not asked again by the programs of this machine for so long, half to one and a half of it by chance. */
const DOWN_FOR = 30_000;
/** Nor, for so long, by a machine that is too busy to start the thread or load a client in time, which says little about the store. */
const BUSY_FOR = 5_000;
const DOWN_MARK = 'remote-down';
/** Milliseconds that a store in the same data centre takes to connect and to answer. */
const NEARBY = 5;
/** Milliseconds. */
const LOOKED_AT_EVERY = 1;
const LOOKED_FOR_LIST_EVERY = 5;
/** Milliseconds without another module after which what came is put into the folder, unless the program ends before. */
const KEPT_AFTER = 1000;
/** Milliseconds after the deadline for which it stays: what comes late may still come. */
const LATE_AT_MOST = 10_000;

/**
 * The store behind the folder, as a program sees it: neither the clients of stores nor what goes wrong in them are in its way.
 * Waiting in vain happens once: after that the tier is off.
 */
export class RemoteTier {
  readonly #task: Omit<RemoteTask, 'program'>;
  readonly #timeout: number;
  readonly #folder: FileSystemCache;
  readonly #engine: Engine;
  readonly #onFailure: (failure: RemoteFailure) => void;
  #source: RemoteSource | undefined;
  #program: ProgramList | undefined;
  /** Asked for, and not answered yet. */
  readonly #open = new Set<string>();
  /** Answered: the folder has it, or is about to, or the store does not. */
  readonly #settled = new Set<string>();
  #end: NodeJS.Timeout | undefined;
  #keeping: NodeJS.Timeout | undefined;
  #isOff: boolean;
  #isMarkMade = false;
  /** That another process found the store down, shortly before this one started. */
  readonly wasDown: boolean;

  constructor(
    { url, timeout, allowUnsigned }: Omit<RemoteSettings, 'mode'>,
    folder: FileSystemCache,
    engine: Engine,
    onFailure: (failure: RemoteFailure) => void,
  ) {
    const { directory, signer, limits } = folder;
    this.#onFailure = onFailure;
    this.#folder = folder;
    this.#engine = engine;
    this.#timeout = timeout;
    const patience = timeout + LATE_AT_MOST;
    this.#task = { url, allowUnsigned, directory, secrets: signer?.secrets, maxSize: limits.maxSize, patience };
    this.wasDown = this.#isMarked();
    this.#isOff = this.wasDown;
  }

  /** Whether it is worth asking. */
  get isOn(): boolean {
    return !this.#isOff;
  }

  /** Whether something came that is not in the folder until {@link keep}. */
  get isUnkept(): boolean {
    return this.#source?.isUnkept ?? false;
  }

  /** Begins to fetch what the program's list in the store tells of. */
  prefetch(program: ProgramList): void {
    if (this.#isOff) return;
    this.#program = program;
    this.#start();
  }

  /**
   * Goes on with that when the list is there, and waits for it for the time that a store nearby takes to answer: what a program
   * without an event loop asks for first is then on its way.
   */
  advance(patience = NEARBY): void {
    if (this.#isOff || !this.#source) return;
    try {
      if (this.#source.advance(patience)) return;
      const later = setTimeout(() => this.advance(0), LOOKED_FOR_LIST_EVERY);
      later.unref();
    } catch (error) {
      this.#takeAnotherWay(error);
    }
  }

  /** A module of so many wire bytes will be asked for, as soon as its key is known. */
  prepare(wireLength: number): void {
    this.#source?.prepare(wireLength);
  }

  /** The module's artifact. Waits for it, at most once in vain. */
  fetchSync(key: string): FetchedArtifact | undefined {
    if (!this.#ask(key)) return undefined;
    const found = this.#answer(key, this.#timeout);
    if (found === undefined) this.#giveUpWaiting();
    return this.#settle(key, found);
  }

  /** What there is without waiting; `undefined` when {@link fetch} is to be waited for. */
  fetchNow(key: string): FetchedArtifact | 'nothing' | undefined {
    if (!this.#ask(key)) return 'nothing';
    const found = this.#answer(key, 0);
    return found === undefined && !this.#isOff ? undefined : (this.#settle(key, found) ?? 'nothing');
  }

  /** As {@link fetchSync}; meanwhile the program goes on. Of two at once one gets it. Never rejects. */
  async fetch(key: string): Promise<FetchedArtifact | undefined> {
    if (!this.#ask(key)) return undefined;
    const end = milliseconds() + this.#timeout;
    for (;;) {
      if (this.#settled.has(key)) return undefined;
      // Before the time: where the program kept its event loop busy, the answer is there, and only was not looked at.
      const found = this.#answer(key, 0);
      if (found !== undefined || this.#isOff) return this.#settle(key, found);
      if (milliseconds() >= end) break;
      // Keeps the process alive, as V8 does while it compiles.
      await new Promise((resolve) => setTimeout(resolve, LOOKED_AT_EVERY));
    }
    this.#giveUpWaiting();
    return undefined;
  }

  /** Puts what came into the folder, where it is not there by itself. */
  keep(): void {
    this.#source?.keep();
  }

  /** Once. */
  #settle(key: string, found: Found | undefined): FetchedArtifact | undefined {
    if (found === undefined) return undefined;
    this.#settled.add(key);
    this.#open.delete(key);
    if (found === 'nothing') return undefined;
    if ('failure' in found) {
      if (found.of === 'store') this.#giveUp(found);
      else this.#onFailure(found);
      return undefined;
    }
    return found;
  }

  #answer(key: string, patience: number): Found | undefined {
    const end = milliseconds() + patience;
    try {
      return this.#source?.answer(key, patience);
    } catch (error) {
      this.#takeAnotherWay(error);
      return this.#source?.answer(key, end - milliseconds());
    }
  }

  /** @returns whether there will be an answer. */
  #ask(key: string): boolean {
    if (this.#isOff || this.#settled.has(key)) return false;
    if (!this.#source) this.#start();
    this.#stayAwhile();
    if (!this.#open.has(key)) this.#source?.ask(key);
    this.#open.add(key);
    return !this.#isOff;
  }

  /** A thread takes some 10 MB, which a server that has all its modules would have no use for. */
  #stayAwhile(): void {
    if (this.#end) clearTimeout(this.#end);
    if (this.#keeping) clearTimeout(this.#keeping);
    this.#keeping = setTimeout(() => this.keep(), KEPT_AFTER);
    this.#keeping.unref();
    this.#end = setTimeout(() => {
      this.keep();
      this.#source?.close();
      this.#source = undefined;
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
      const reader = openDirectly(this.#task.url, process.env);
      this.#source = reader && new DirectSource(reader, this.#folder, this.#engine, this.#program);
    } catch {
      // No addon, no thread of its own, or a wrong address, of which the other way says what is wrong.
    }
    if (!this.#source) this.#startThread();
    this.#stayAwhile();
  }

  #startThread(): void {
    const onFailure = (failure: RemoteFailure) => {
      if (failure.of === 'store') this.#giveUp(failure);
      else this.#onFailure(failure);
    };
    try {
      this.#source = new ThreadSource({ ...this.#task, program: this.#program?.name }, onFailure);
    } catch (error) {
      this.#turnOff(String(error)); // No threads under the permission model, say.
    }
  }

  /** For a reason that is nothing that other processes should know. */
  #turnOff(failure: string): void {
    this.#isOff = true;
    this.#onFailure({ failure, of: 'store' });
  }

  #takeAnotherWay(error: unknown): void {
    if (!(error instanceof AnotherWayError)) {
      this.#giveUp({ failure: String(error), of: 'store' });
      return;
    }
    this.#source?.close();
    this.#startThread();
    for (const key of this.#open) this.#source?.ask(key);
  }

  #giveUpWaiting(): void {
    this.#giveUp({ failure: `no answer within ${this.#timeout} ms`, of: 'store' }, this.#source?.hasAsked);
  }

  /** The thread goes on: what comes late is for the next run. */
  #giveUp(failure: RemoteFailure, isOfStore = true): void {
    const isLate = this.#isOff;
    this.#isOff = true;
    if (!isLate) this.#onFailure(failure);
    if (this.#isMarkMade) return;
    this.#isMarkMade = isOfStore;
    const { directory, secrets } = this.#task;
    const text = Buffer.from(isOfStore ? '' : 'busy');
    try {
      new FileSystemStore(directory, { isShared: secrets !== undefined }).writeSync(DOWN_MARK, text);
    } catch {
      // The folder is not ours to write to: then each program finds out for itself.
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

/** Neither the addon nor a thread without the program's options is kept from it by Node. */
function isKeptFromNetwork(url: string): boolean {
  if (!permission || /^file:/i.test(url)) return false;
  return process.allowedNodeEnvironmentFlags.has('--allow-net') && !permission.has('net');
}
