import fs from 'node:fs';

// Captured: programs patch fs, and the hook must keep working under them. (fs.promises takes 2 ms to load.)
const { lstat, lstatSync, readdir, readdirSync } = fs;
const { setTimeout } = globalThis;
const { wait } = Atomics;

/** The calls of the file system that a procedure can make; each has a synchronous and an asynchronous form in `fs`. */
interface Calls {
  open(path: string, flags: number, mode?: number): number;
  close(descriptor: number): void;
  fstat(descriptor: number): fs.Stats;
  /** `undefined` if nothing has this name. */
  lstat(path: string): fs.Stats | undefined;
  readdir(path: string): fs.Dirent[];
  readv(descriptor: number, views: Uint8Array[], position: number): number;
  write(descriptor: number, bytes: Uint8Array, offset: number): number;
  mkdir(path: string, mode: number): void;
  chmod(path: string, mode: number): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  lutimes(path: string, accessed: number, modified: number): void;
  pause(milliseconds: number): void;
}

type Call = { [Name in keyof Calls]: { name: Name; args: Parameters<Calls[Name]> } }[keyof Calls];

/** A procedure that is written once and runs either way: see {@link runSync} and {@link run}. */
export type Steps<T> = Generator<Call, T, unknown>;

const sync: Calls = {
  open: fs.openSync,
  close: fs.closeSync,
  fstat: fs.fstatSync,
  lstat: (path) => lstatSync(path, { throwIfNoEntry: false }),
  readdir: (path) => readdirSync(path, { withFileTypes: true }),
  readv: fs.readvSync,
  write: fs.writeSync,
  mkdir: fs.mkdirSync,
  chmod: fs.chmodSync,
  rename: fs.renameSync,
  unlink: fs.unlinkSync,
  lutimes: fs.lutimesSync,
  pause: (milliseconds) => void wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
};

type Callback = (error: unknown, result?: unknown) => void;
const asynchronous = {
  open: fs.open,
  close: fs.close,
  fstat: fs.fstat,
  lstat: (path: string, callback: Callback) =>
    lstat(path, (error, stats) => (error?.code === 'ENOENT' ? callback(null) : callback(error, stats))),
  readdir: (path: string, callback: Callback) => readdir(path, { withFileTypes: true }, callback),
  readv: fs.readv,
  write: fs.write,
  mkdir: fs.mkdir,
  chmod: fs.chmod,
  rename: fs.rename,
  unlink: fs.unlink,
  lutimes: fs.lutimes,
  pause: (milliseconds: number, callback: () => void) => void setTimeout(callback, milliseconds),
} as Record<keyof Calls, (...args: unknown[]) => void>;

/** Makes one call from a procedure. */
export function* call<Name extends keyof Calls>(
  name: Name,
  ...args: Parameters<Calls[Name]>
): Steps<ReturnType<Calls[Name]>> {
  return (yield { name, args } as Call) as ReturnType<Calls[Name]>;
}

export function runSync<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) {
    let result: unknown;
    try {
      result = (sync[step.value.name] as (...args: unknown[]) => unknown)(...step.value.args);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

export async function run<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    const { name, args } = step.value;
    let result: unknown;
    try {
      result = await new Promise((resolve, reject) => {
        const callback: Callback = (error, value) => (error ? reject(error) : resolve(value));
        asynchronous[name](...args, callback);
      });
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}
