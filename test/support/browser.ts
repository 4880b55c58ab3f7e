import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { temporaryDirectory } from './processes.js';
import { whyMissing } from './servers.js';

export const chromiumMissing = () => whyMissing('chromium', 'chromium');

/** How a page is opened. */
export interface View {
  width: number;
  colors: 'light' | 'dark';
}

/** What was observed of a page. */
export interface Seen {
  /** Errors, warnings and everything else on the console. */
  console: string[];
  /** The addresses that it requested, except its own. */
  requests: string[];
  /** The value of the expression in the page. */
  value: unknown;
  /** A PNG of the whole page. */
  screenshot: Buffer;
}

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A headless Chromium, controlled by its DevTools protocol over a pipe. */
export class Browser {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #onEvent: (message: Message) => void = () => {};
  #calls = 0;
  #session: string | undefined;

  /** @param profile - the folder of the profile, which keeps data between visits. Default: a new one */
  constructor(profile = temporaryDirectory(), further: string[] = []) {
    // Without its sandbox, which does not work as root. It only opens pages of the tests.
    const options = ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage'];
    const own = [`--user-data-dir=${profile}`, '--remote-debugging-pipe', ...further];
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] as const;
    this.#process = spawn('chromium', [...options, ...own], { stdio: [...stdio] });
    let rest = '';
    (this.#process.stdio[4] as Readable).setEncoding('utf8').on('data', (data: string) => {
      const messages = (rest + data).split('\0');
      rest = messages.pop() ?? '';
      for (const text of messages) this.#receive(JSON.parse(text));
    });
  }

  /** Opens a file, and returns what it printed, requested and shows, and the value of the expression in it. */
  async look(file: string, { width, colors }: View, expression: string): Promise<Seen> {
    const address = pathToFileURL(file).href;
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' });
    this.#session = String((await this.call('Target.attachToTarget', { targetId, flatten: true })).sessionId);
    const seen: Pick<Seen, 'console' | 'requests'> = { console: [], requests: [] };
    const isLoaded = new Promise<void>((resolve) => {
      this.#onEvent = ({ method, params = {} }) => {
        if (method === 'Page.loadEventFired') resolve();
        if (
          method === 'Log.entryAdded' ||
          method === 'Runtime.consoleAPICalled' ||
          method === 'Runtime.exceptionThrown'
        ) {
          seen.console.push(JSON.stringify(params));
        }
        const { url } = (params.request ?? {}) as { url?: string };
        if (method === 'Network.requestWillBeSent' && url !== address && url !== 'data:,')
          seen.requests.push(String(url));
      };
    });
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await this.call(`${domain}.enable`);
    const metrics = { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 };
    await this.call('Emulation.setDeviceMetricsOverride', metrics);
    const features = [{ name: 'prefers-color-scheme', value: colors }];
    await this.call('Emulation.setEmulatedMedia', { features });
    await this.call('Page.navigate', { url: address });
    await isLoaded;
    const { result } = await this.call('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    const { data } = await this.call('Page.captureScreenshot', { captureBeyondViewport: true });
    this.#session = undefined;
    await this.call('Target.closeTarget', { targetId });
    const { value } = result as { value: unknown };
    return { ...seen, value, screenshot: Buffer.from(String(data), 'base64') };
  }

  /** Opens an address and stays there. */
  async open(address: string): Promise<void> {
    this.#session = undefined;
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' });
    this.#session = String((await this.call('Target.attachToTarget', { targetId, flatten: true })).sessionId);
    const isLoaded = new Promise<void>((resolve) => {
      this.#onEvent = ({ method }) => method === 'Page.loadEventFired' && resolve();
    });
    await this.call('Page.enable');
    await this.call('Page.navigate', { url: address });
    await isLoaded;
  }

  /** Calls the function in the open page with these arguments. It cannot use variables of this file. */
  async run<T, Args extends unknown[]>(program: (...args: Args) => T, ...args: Args): Promise<Awaited<T>> {
    const expression = `(${program})(...${JSON.stringify(args)})`;
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', options);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: Awaited<T> }).value;
  }

  /** The names of all trace events of these categories during the action. */
  async trace(includedCategories: string[], action: () => Promise<unknown>): Promise<Set<string>> {
    const names = new Set<string>();
    const isOver = new Promise<void>((resolve) => {
      this.#onEvent = ({ method, params = {} }) => {
        if (method === 'Tracing.dataCollected')
          for (const { name } of params.value as { name: string }[]) names.add(name);
        if (method === 'Tracing.tracingComplete') resolve();
      };
    });
    await this.call('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories } });
    await action();
    await this.call('Tracing.end');
    await isOver;
    return names;
  }

  /** Closes it as its user would, so that it saves its profile. */
  async quit(): Promise<void> {
    const isOver = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#session = undefined;
    await this.call('Browser.close');
    await isOver;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      this.#process.once('exit', () => resolve());
      this.#process.kill('SIGKILL');
    });
  }

  /** Calls a method of the protocol, for the open page if there is one. */
  call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#calls;
    const message = { id, method, params, ...(this.#session && { sessionId: this.#session }) };
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result = {}, error }) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result);
      });
    });
  }

  #receive(message: Message): void {
    const answer = this.#waiting.get(message.id ?? 0);
    if (!answer) {
      this.#onEvent(message);
      return;
    }
    this.#waiting.delete(message.id ?? 0);
    answer(message);
  }
}
