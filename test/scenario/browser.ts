/**
 * A real Chromium without a window, driven over a pipe: commands and events are JSON with a NUL behind each.
 * Source: chromedevtools.github.io/devtools-protocol, --remote-debugging-pipe
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';

export const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(file => fs.existsSync(file));

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--remote-debugging-pipe',
];

export interface View {
  width: number;
  height: number;
  dark?: boolean;
  phone?: boolean;
  /** Shows the page as it would be on paper. */
  print?: boolean;
}

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** Kills a browser and its own children, which are in its process group. */
function killGroup({ pid }: ChildProcess): boolean {
  return pid !== undefined && process.kill(-pid, 'SIGKILL');
}

/**
 * The browser's children end a moment after they were killed, and write into the profile until then. rmSync
 * with maxRetries tries to remove a folder again, but not what has come into it since.
 */
async function removeTree(folder: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      fs.rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }
}

export class Browser {
  /** Lines of the page's console, its exceptions, and requests that its policy has refused. */
  readonly said: string[] = [];
  /** Addresses of all requests. */
  readonly requests: string[] = [];
  #next = 1;
  #session: string | undefined;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #rest = '';

  private constructor(readonly child: ChildProcess) {
    (child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => this.#receive(text));
    child.once('exit', () => {
      for (const answer of this.#waiting.values()) answer({ error: { message: 'Chromium has ended' } });
    });
  }

  /** Starts a browser, which ends with the test. */
  static async start(t: TestContext): Promise<Browser> {
    if (chromium === undefined) throw new Error('there is no Chromium');
    const folder = fs.mkdtempSync(`${tmpdir()}/gk-browser-`);
    const child = spawn(chromium, [...flags, `--user-data-dir=${folder}/profile`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: folder },
      detached: true,
    });
    t.after(async () => {
      const ended = new Promise(resolve => child.once('exit', resolve));
      if (child.exitCode === null && killGroup(child)) await ended;
      await removeTree(folder);
    });
    const browser = new Browser(child);
    const { targetId } = (await browser.#send('Target.createTarget', { url: 'about:blank' })) as Found;
    const attached = await browser.#send('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = attached['sessionId'] as string;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await browser.#send(`${domain}.enable`);
    return browser;
  }

  async view({ width, height, dark = false, phone = false, print = false }: View): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: phone ? 2 : 1,
      mobile: phone,
    });
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
    await this.#send('Emulation.setEmulatedMedia', { media: print ? 'print' : '', features });
  }

  /** Opens a page and waits until it says that its list is there. */
  async open(url: string): Promise<void> {
    await this.#send('Page.navigate', { url });
    await this.until(`document.readyState === 'complete' && document.querySelector('h1') !== null`);
  }

  async until(condition: string): Promise<void> {
    for (let waits = 0; !(await this.run<boolean>(condition)); waits += 1) {
      if (waits > 1200)
        throw new Error(`${condition} never came true; the page said: ${this.said.join('; ')}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  /** The value of an expression in the page. */
  async run<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  async screenshot(file: string): Promise<void> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png' });
    fs.writeFileSync(file, Buffer.from(data as string, 'base64'));
  }

  /** Prints the page as a PDF. */
  async print(file: string): Promise<void> {
    const { data } = await this.#send('Page.printToPDF', { printBackground: true });
    fs.writeFileSync(file, Buffer.from(data as string, 'base64'));
  }

  #send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#next++;
    const sessionId = this.#session;
    const answer = new Promise<Record<string, unknown>>((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result ?? {}),
      );
      if (this.child.exitCode !== null) reject(new Error(`Chromium ended before ${method}`));
    });
    (this.child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answer;
  }

  #receive(text: string): void {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop() ?? '';
    for (const each of messages) {
      const message = JSON.parse(each) as Message;
      if (message.id !== undefined) {
        this.#waiting.get(message.id)?.(message);
        this.#waiting.delete(message.id);
      } else this.#note(message);
    }
  }

  #note({ method, params = {} }: Message): void {
    if (method === 'Network.requestWillBeSent')
      this.requests.push((params['request'] as { url: string }).url);
    if (/^(Runtime\.(consoleAPICalled|exceptionThrown)|Log\.entryAdded)$/.test(method ?? ''))
      this.said.push(JSON.stringify(params).slice(0, 2000));
  }
}

interface Found extends Record<string, unknown> {
  targetId: string;
}
