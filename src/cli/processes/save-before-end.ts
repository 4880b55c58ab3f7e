// Preloaded into the processes of a command that SIGTERM will end, after the hook. On SIGTERM it saves what all threads have.
import workerThreads from 'node:worker_threads';
import { flushModuleCache } from '../../hook/enable.js';

const { isMainThread } = workerThreads;
const { kill, pid } = process;
/** Milliseconds that the process waits for its workers, which may be busy. */
const WAIT_AT_MOST = 3000;

type Message = 'here' | 'save' | 'saved';
const channel = new workerThreads.BroadcastChannel(`wasm-cache ${pid}`);
channel.onmessage = (event) => hear((event as MessageEvent<Message>).data);
channel.unref();
const say = (message: Message) => channel.postMessage(message);

/** Workers that have not saved yet. */
let workers = 0;
let isEnding = false;

function hear(message: Message): void {
  if (message === 'save' && !isMainThread) {
    flushModuleCache();
    say('saved');
  }
  if (message === 'here') workers++;
  if (message === 'saved' && --workers <= 0) end();
}

function onSignal(): void {
  flushModuleCache();
  if (process.listenerCount('SIGTERM') === 1) isEnding = true; // Otherwise the program decides when it ends.
  say('save');
  if (workers === 0) end();
  else if (isEnding) setTimeout(end, WAIT_AT_MOST);
}

function end(): void {
  if (!isEnding) return;
  process.removeListener('SIGTERM', onSignal);
  kill(pid, 'SIGTERM');
}

if (isMainThread) process.on('SIGTERM', onSignal);
else say('here');
