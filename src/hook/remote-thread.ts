import path from 'node:path';
import type { MessagePort, Worker } from 'node:worker_threads';
import { packageRoot } from '../package-root.js';
import { processEnvironment } from '../settings/process-environment.js';
import { variablesFor } from '../settings/settings.js';
import type { Answer, Found, Question, RemoteFailure, RemoteTask, ThreadTask } from './remote-messages.js';

// Captured: programs patch and empty these objects.
const { getBuiltinModule } = process;
const { bigint: nanoseconds } = process.hrtime;
const { wait, load } = Atomics;
const milliseconds = () => Number(nanoseconds()) / 1e6;

/** Limit for JavaScript objects; the clients take 10 to 30. remote-worker.ts limits the bytes that a store sends. */
const MAX_HEAP_MB = 256;

/**
 * The program's side of the thread that asks the store (remote-worker.ts). The thread has its own event loop, because that of the
 * program stands still during `new WebAssembly.Module()`. It also puts the artifacts into the folder.
 */
export class RemoteThread {
  readonly #progress = new Int32Array(new SharedArrayBuffer(8));
  readonly #found = new Map<string, Found>();
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #onFailure: (failure: RemoteFailure) => void;

  /**
   * @param onFailure - called for failures that concern no requested module
   * @throws when no thread can be started, as under the permission model.
   */
  constructor(task: RemoteTask, onFailure: (failure: RemoteFailure) => void) {
    this.#onFailure = onFailure;
    const { MessageChannel, Worker } = getBuiltinModule('node:worker_threads');
    const { port1, port2 } = new MessageChannel();
    const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...environment } = processEnvironment().env;
    const workerData: ThreadTask = { ...task, progress: this.#progress, port: port2 };
    this.#worker = new Worker(path.join(packageRoot, 'dist/remote-worker.cjs'), {
      workerData,
      transferList: [port2],
      // Not the program's options, which may load its code.
      execArgv: [],
      env: { ...environment, ...variablesFor({ disable: '1' }) },
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
      stdin: false,
      stdout: true,
      stderr: true,
    });
    this.#worker.on('error', (error) => onFailure({ failure: String(error), of: 'store' }));
    this.#worker.unref();
    this.#port = port1;
    port1.on('message', (answer: Answer) => this.#take(answer));
    port1.unref();
  }

  /** Whether the store was asked for anything yet. */
  get hasAsked(): boolean {
    return load(this.#progress, 1) !== 0;
  }

  /** Asks for a module. Does not wait. */
  ask(question: Question): void {
    this.#port.postMessage(question);
  }

  /** Returns the answer for that module, once. Waits up to so many milliseconds, and returns `undefined` if there is none by then. */
  answer(key: string, patience: number): Found | undefined {
    const end = milliseconds() + patience;
    for (;;) {
      const seen = load(this.#progress, 0);
      this.#takeAll();
      const found = this.#found.get(key);
      const left = end - milliseconds();
      this.#found.delete(key);
      if (found !== undefined || left <= 0) return found;
      wait(this.#progress, 0, seen, left);
    }
  }

  close(): void {
    void this.#worker.terminate();
    this.#port.close();
  }

  /** Waits without the event loop. */
  #takeAll(): void {
    const { receiveMessageOnPort } = getBuiltinModule('node:worker_threads');
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (!received) return;
      this.#take(received.message);
    }
  }

  #take({ key, found }: Answer): void {
    if (key !== undefined) this.#found.set(key, found);
    else if (typeof found === 'object' && 'failure' in found) this.#onFailure(found);
  }
}
