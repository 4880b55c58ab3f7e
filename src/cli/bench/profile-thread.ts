// Preloaded into the processes of a command, without the hook. Measures with V8's profiler how much of each thread's time WebAssembly takes,
// and reports it when the thread ends.
import fs from 'node:fs';
import inspector from 'node:inspector';
import workerThreads from 'node:worker_threads';

/** What a thread knows about itself when it ends. */
export interface ReportedProfile {
  /** The process that ends after this report; `null` when the thread is a worker. */
  pid: number | null;
  /** By the machine's clock. */
  reportedAtMilliseconds: number;
  /** Running WebAssembly, with what V8 compiles of a function when it is first called. */
  runningMilliseconds: number;
  /** In V8's calls that compile and instantiate, or waiting for them with nothing else to do. */
  compilingMilliseconds: number;
}

const { appendFileSync } = fs; // Captured, because programs patch it.
const { stringify } = JSON;
const { bigint: nanoseconds } = process.hrtime;
const { pid } = process;
const { isMainThread } = workerThreads;
const microseconds = () => Number(nanoseconds() / 1000n);
const to = new URL(import.meta.url).searchParams.get('to') ?? '';
/** Microseconds between two samples. */
const INTERVAL = 500;

/** When this thread waited for V8, which compiles in threads of its own. */
const waits: [from: number, to: number][] = [];
for (const name of ['compile', 'instantiate', 'compileStreaming', 'instantiateStreaming'] as const) {
  const original = WebAssembly[name] as (...args: unknown[]) => Promise<unknown>;
  const timed = async (...args: unknown[]) => {
    const start = microseconds();
    try {
      return await original(...args);
    } finally {
      waits.push([start, microseconds()]);
    }
  };
  Object.defineProperty(WebAssembly, name, { value: timed });
}

const session = new inspector.Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
session.post('Profiler.start');
process.on('exit', () => {
  // Synchronous, because the session is connected to its own thread.
  session.post('Profiler.stop', (error, result) => {
    if (error === null) appendFileSync(to, `${stringify(summary(result.profile))}\n`);
  });
});

function summary({ nodes, samples = [], timeDeltas = [], startTime }: inspector.Profiler.Profile): ReportedProfile {
  const kinds = new Map(nodes.map(({ id, callFrame }) => [id, kindOf(callFrame)]));
  const sums = { running: 0, compiling: 0 };
  let at = startTime;
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0;
    at += delta;
    const kind = kinds.get(id);
    if (kind === 'running' || kind === 'compiling') sums[kind] += delta;
    else if (kind === 'idle' && waits.some(([from, until]) => at >= from && at <= until)) sums.compiling += delta;
  }
  return {
    pid: isMainThread ? pid : null,
    reportedAtMilliseconds: microseconds() / 1000,
    runningMilliseconds: sums.running / 1000,
    compilingMilliseconds: sums.compiling / 1000,
  };
}

function kindOf({ functionName, url }: inspector.Runtime.CallFrame): 'running' | 'compiling' | 'idle' | undefined {
  if (url.startsWith('wasm://')) return 'running';
  // V8's own functions have no URL.
  if (url === '' && /^(Module|Instance|compile|instantiate)$/.test(functionName)) return 'compiling';
  return functionName === '(idle)' || functionName === '(program)' ? 'idle' : undefined;
}
