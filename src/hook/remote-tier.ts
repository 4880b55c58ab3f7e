import fs from 'node:fs';
import path from 'node:path';
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Artifact } from '../artifact/artifact.js';
import { packageRoot } from '../package-root.js';
import { FileSystemStore } from '../stores/file-system.js';
import type { RemoteSettings } from './settings.js';

// Captured: programs patch and empty these objects.
const { getBuiltinModule } = process;
const { statSync } = fs;
const { bigint: nanoseconds } = process.hrtime;
const { now } = Date;
const { random } = Math;
const { wait, load } = Atomics;
const milliseconds = () => Number(nanoseconds()) / 1e6;

/** A store that failed is not asked again by the programs of this machine for so long, half to one and a half of it by chance. */
const DOWN_FOR = 30_000;
/** Nor, for so long, by a machine that is too busy to start the thread or load a client in time, which says little about the store. */
const BUSY_FOR = 5_000;
const DOWN_MARK = 'remote-down';
/** Milliseconds after the deadline for which the thread stays: what comes late may still come. */
const LATE_AT_MOST = 10_000;

/** What the thread that fetches is told when it starts. */
export interface RemoteTask extends Pick<RemoteSettings, 'url' | 'allowUnsigned'> {
  directory: string;
  secrets: readonly string[] | undefined;
  maxSize: number | undefined;
  /** Milliseconds after which an answer of the store is not wanted any more, not even for the next run. */
  patience: number;
  /** Counts the answers, for who waits for one without an event loop; and, second, whether anything was asked of the store yet. */
  answers: Int32Array;
  port: MessagePort;
  /** The name of the program's list, when what it tells of is to be fetched. */
  program: string | undefined;
}

/** An artifact from the store, checked, on its way into the folder. */
export type FetchedArtifact = Omit<Artifact, 'key' | 'wireBytes'>;

/** Why there is no artifact: the store did not answer as it should, or has something that is not to be loaded. */
export interface RemoteFailure {
  failure: string;
  of: 'store' | 'artifact' | 'signature';
}

/** Of one module, or, without a key, of all that the program's list tells of. */
export interface RemoteAnswer {
  key: string | undefined;
  found: FetchedArtifact | 'nothing' | RemoteFailure;
}

/**
 * The store behind the folder, as a program sees it: what it fetches is put into the folder by a thread of its own, with its own event
 * loop, because a program that calls `new WebAssembly.Module()` cannot turn its own. So neither the clients of stores nor what
 * goes wrong in them are in the program's way. Waiting in vain happens once: after that the tier is off.
 */
export class RemoteTier {
  readonly #task: Omit<RemoteTask, 'answers' | 'port' | 'program'>;
  readonly #timeout: number;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #found = new Map<string, RemoteAnswer['found']>();
  readonly #waiting = new Map<string, ((found: FetchedArtifact | undefined) => void)[]>();
  readonly #answers = new Int32Array(new SharedArrayBuffer(8));
  #worker: Worker | undefined;
  #port: MessagePort | undefined;
  #end: NodeJS.Timeout | undefined;
  #isOff: boolean;
  #isMarkMade = false;
  readonly #onFailure: (failure: RemoteFailure) => void;
  /** That another process found the store down, shortly before this one started. */
  readonly wasDown: boolean;

  constructor(
    { url, timeout, allowUnsigned }: RemoteSettings,
    folder: Pick<RemoteTask, 'directory' | 'secrets' | 'maxSize'>,
    onFailure: (failure: RemoteFailure) => void,
  ) {
    this.#onFailure = onFailure;
    this.#task = { url, allowUnsigned, ...folder, patience: timeout + LATE_AT_MOST };
    this.#timeout = timeout;
    const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...environment } = process.env;
    this.#environment = { ...environment, WASM_CACHE_DISABLE: '1' };
    this.wasDown = this.#isMarked();
    this.#isOff = this.wasDown;
  }

  /** Begins to fetch what the program's list in the store tells of. */
  prefetch(program: string): void {
    if (!this.#isOff) this.#start(program);
  }

  /** The module's artifact. Waits for it, at most once in vain. */
  fetchSync(key: string): FetchedArtifact | undefined {
    if (!this.#ask(key)) return this.#handOut(key);
    const end = milliseconds() + this.#timeout;
    for (;;) {
      const seen = load(this.#answers, 0);
      this.#takeAll();
      if (this.#found.has(key)) return this.#handOut(key);
      const left = end - milliseconds();
      if (left <= 0 || this.#isOff) break;
      wait(this.#answers, 0, seen, left);
    }
    this.#giveUpWaiting();
    return undefined;
  }

  /** As {@link fetchSync}; meanwhile the program goes on. Never rejects. */
  async fetch(key: string): Promise<FetchedArtifact | undefined> {
    if (!this.#ask(key)) return this.#handOut(key);
    return new Promise((resolve) => {
      // Keeps the process alive, as V8 does while it compiles.
      const timer = setTimeout(() => {
        // Where the program kept its event loop busy, the answer is there, and only was not looked at.
        this.#takeAll();
        if (!this.#found.has(key)) this.#giveUpWaiting();
        resolve(undefined);
      }, this.#timeout);
      const settle = (found: FetchedArtifact | undefined) => {
        clearTimeout(timer);
        resolve(found);
      };
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), settle]);
    });
  }

  /** Once: the folder has it, or is about to. */
  #handOut(key: string): FetchedArtifact | undefined {
    const found = this.#found.get(key);
    this.#found.set(key, 'nothing');
    return typeof found === 'object' && !('failure' in found) ? found : undefined;
  }

  /** @returns whether there will be an answer. */
  #ask(key: string): boolean {
    if (this.#isOff || this.#found.has(key)) return false;
    if (!this.#port) this.#start(undefined);
    this.#stayAwhile();
    if (!this.#waiting.has(key)) this.#port?.postMessage(key);
    return !this.#isOff;
  }

  /** A thread takes some 10 MB, which a server that has all its modules would have no use for. */
  #stayAwhile(): void {
    if (this.#end) clearTimeout(this.#end);
    this.#end = setTimeout(() => {
      void this.#worker?.terminate();
      this.#port?.close();
      this.#port = undefined;
      // What was fetched and never asked for is in the folder by now.
      for (const key of this.#found.keys()) this.#found.set(key, 'nothing');
    }, this.#task.patience);
    this.#end.unref();
  }

  #start(program: string | undefined): void {
    try {
      const { MessageChannel, Worker } = getBuiltinModule('node:worker_threads');
      const { port1, port2 } = new MessageChannel();
      const workerData: RemoteTask = { ...this.#task, answers: this.#answers, port: port2, program };
      const worker = new Worker(path.join(packageRoot, 'dist/remote-worker.cjs'), {
        workerData,
        transferList: [port2],
        // Not the program's: they may load its code.
        execArgv: [],
        env: this.#environment,
        stdin: false,
        stdout: true,
        stderr: true,
      });
      worker.on('error', (error) => this.#giveUp({ failure: String(error), of: 'store' }));
      worker.unref();
      port1.on('message', (answer: RemoteAnswer) => this.#take(answer));
      port1.unref();
      this.#worker = worker;
      this.#port = port1;
      this.#stayAwhile();
    } catch (error) {
      // No threads under the permission model, say: nothing that other processes should know.
      this.#isOff = true;
      this.#onFailure({ failure: String(error), of: 'store' });
    }
  }

  /** Without the event loop. */
  #takeAll(): void {
    const { receiveMessageOnPort } = getBuiltinModule('node:worker_threads');
    for (;;) {
      const received = this.#port && receiveMessageOnPort(this.#port);
      if (!received) return;
      this.#take(received.message);
    }
  }

  #take({ key, found }: RemoteAnswer): void {
    if (key !== undefined) {
      this.#found.set(key, found);
      for (const settle of this.#waiting.get(key) ?? []) settle(this.#handOut(key));
      this.#waiting.delete(key);
    }
    if (typeof found !== 'object' || !('failure' in found)) return;
    if (found.of === 'store') this.#giveUp(found);
    else this.#onFailure(found);
  }

  #giveUpWaiting(): void {
    this.#giveUp({ failure: `no answer within ${this.#timeout} ms`, of: 'store' }, load(this.#answers, 1) !== 0);
  }

  /** The thread goes on: what comes late is for the next run. */
  #giveUp(failure: RemoteFailure, isOfStore = true): void {
    const isLate = this.#isOff;
    this.#isOff = true;
    if (!isLate) this.#onFailure(failure);
    for (const settle of [...this.#waiting.values()].flat()) settle(undefined);
    this.#waiting.clear();
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
