import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, realpath, rm, stat } from 'node:fs/promises';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const DRIVER = 'WebKitWebDriver';
const PATIENCE_MS = 60_000;
const BETWEEN_MS = 10;
const SHORT_MS = 2_000;
/** As Linux counts the time of processes. */
const TICKS = 100;

/** The built window, or why there is none to be measured. */
export function builtProgram(): { path: string } | { lacking: string } {
  if (process.platform !== 'linux') return { lacking: 'it is measured on Linux only' };
  const named = process.env.PROGRAM;
  const path = resolve(named ?? '../target/release/lanyard-desktop');
  if (!existsSync(path)) return { lacking: named ? `${path} is not there` : '`cargo xtask build` makes it; PROGRAM names another' };
  for (const tool of [DRIVER, 'Xvfb']) {
    if (!(process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, tool)))) return { lacking: `${tool} is not installed` };
  }
  return { path };
}

export const sizeOfFile = async (path: string) => (await stat(path)).size;

/** A place for the program to run in: a home of its own, a screen that nobody sees, and a network without anybody. */
export class Stage {
  private readonly home: string;
  private readonly screen: ChildProcess;
  private readonly display: string;
  private readonly path: string;

  private constructor(home: string, screen: ChildProcess, display: string, path: string) {
    this.home = home;
    this.screen = screen;
    this.display = display;
    this.path = path;
  }

  static async set(path: string): Promise<Stage> {
    const home = await mkdtemp(join(tmpdir(), 'lanyard-measure-'));
    const screen = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const display = await new Promise<string>((told, failed) => {
      screen.once('exit', () => failed(new Error('Xvfb does not start')));
      createInterface(screen.stdout).once('line', (line) => told(`:${line.trim()}`));
    });
    return new Stage(home, screen, display, path);
  }

  async strike(): Promise<void> {
    this.screen.kill();
    await rm(this.home, { recursive: true, force: true });
  }

  /** Starts the program, and ends it whatever happens. */
  async play(act: (program: Program) => Promise<void>): Promise<void> {
    const program = await this.start();
    try {
      await act(program);
    } finally {
      await program.end();
    }
  }

  private async start(): Promise<Program> {
    const [port, own] = [await freePort(), await freePort()];
    const profile = join(this.home, 'profile');
    const driver = spawn(DRIVER, [`--port=${port}`, '--host=127.0.0.1'], {
      // A group of its own, so that all that it starts ends with it.
      detached: true,
      stdio: 'ignore',
      env: {
        ...process.env,
        // No part of anybody's desktop.
        DBUS_SESSION_BUS_ADDRESS: undefined,
        WAYLAND_DISPLAY: undefined,
        HOME: this.home,
        DISPLAY: this.display,
        LANG: 'C.UTF-8',
        NO_AT_BRIDGE: '1',
        GSETTINGS_BACKEND: 'memory',
        TAURI_WEBVIEW_AUTOMATION: 'true',
      },
    });
    const args = ['--profile', profile, '--port', String(own), '--network', 'alone', '--interface', 'lo'];
    const alwaysMatch = { 'webkitgtk:browserOptions': { binary: this.path, args } };
    const address = `http://127.0.0.1:${port}`;
    await until(async () => (await fetch(`${address}/status`).catch(() => null))?.ok === true, `${DRIVER} answers`);
    const { sessionId } = (await post(`${address}/session`, { capabilities: { alwaysMatch } })) as { sessionId: string };
    return new Program(driver, `${address}/session/${sessionId}`, this.path, join(profile, 'control.sock'));
  }
}

export interface Memory {
  program: number;
  webview: number;
}

/** The window of the program, as it runs. */
export class Program {
  private readonly lines = new Map<number, (error: unknown) => void>();
  private asked = 0;
  private socket: Socket | undefined;

  private readonly driver: ChildProcess;
  private readonly session: string;
  private readonly path: string;
  private readonly control: string;

  constructor(driver: ChildProcess, session: string, path: string, control: string) {
    this.driver = driver;
    this.session = session;
    this.path = path;
    this.control = control;
  }

  /** Runs a function in the page. */
  run<T, A extends unknown[]>(act: (...given: A) => T | Promise<T>, ...args: A): Promise<T> {
    const script = `const [...given] = arguments; const done = given.pop(); Promise.resolve((${act.toString()})(...given)).then(done);`;
    return post(`${this.session}/execute/async`, { script, args }) as Promise<T>;
  }

  /** Waits until something is in the page; after how many milliseconds of the program's life that was. */
  async since(selector: string): Promise<number> {
    let at: number | undefined;
    // What is asked of a page that another one is just replacing is never answered.
    await post(`${this.session}/timeouts`, { script: SHORT_MS });
    // The page looks by itself: asked over and over from outside it would have little time to become anything.
    const look = async () => (at = await this.run(appears, selector).catch(() => undefined)) !== undefined;
    await until(look, `there is ${selector}`);
    await post(`${this.session}/timeouts`, { script: PATIENCE_MS });
    const [processes, uptime] = await Promise.all([this.processes(), readFile('/proc/uptime', 'utf8')]);
    const begun = processes.find(({ own }) => own)?.begun ?? 0;
    const booted = Date.now() - Number(uptime.split(' ')[0]) * 1000;
    return (at ?? NaN) - booted - (begun * 1000) / TICKS;
  }

  /** What is in memory for it alone, and its share of what it has in common with others. */
  async memory(): Promise<Memory> {
    const sum = { program: 0, webview: 0 };
    for (const { id, own } of await this.processes()) {
      const rollup = await readFile(`/proc/${id}/smaps_rollup`, 'utf8').catch(() => '');
      sum[own ? 'program' : 'webview'] += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
    }
    return sum;
  }

  /** Gives the engine a command, as the terminal program would. */
  async command(method: string, params: object): Promise<void> {
    this.socket ??= this.connect();
    const id = (this.asked += 1);
    const answered = new Promise<unknown>((told) => this.lines.set(id, told));
    this.socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const error = await answered;
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
  }

  async end(): Promise<void> {
    this.socket?.destroy();
    const ended = new Promise((done) => this.driver.once('exit', done));
    const processes = await this.processes();
    if (this.driver.pid !== undefined) process.kill(-this.driver.pid, 'SIGKILL');
    await ended;
    // Until the last of them is gone the profile is in use.
    await until(async () => processes.every(({ id }) => !existsSync(`/proc/${id}/exe`)), 'the program is gone');
  }

  private connect(): Socket {
    const socket = createConnection(this.control);
    createInterface(socket).on('line', (line) => {
      const { id, error } = JSON.parse(line) as { id?: number; error?: unknown };
      if (id === undefined) return;
      this.lines.get(id)?.(error);
      this.lines.delete(id);
    });
    return socket;
  }

  /** The program and all that it started; the driver that started it is no part of it. */
  private async processes(): Promise<{ id: number; own: boolean; begun: number }[]> {
    const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const all = await Promise.all(
      ids.map(async (id) => {
        const text = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '');
        // The name stands in brackets and may hold anything.
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        return { id, parent: Number(fields[1]), begun: Number(fields[19]) };
      }),
    );
    const real = await realpath(this.path);
    const runs = async (id: number) => (await readlink(`/proc/${id}/exe`).catch(() => '')) === real;
    const children = (of: number) => all.filter(({ parent }) => parent === of);
    const found: { id: number; own: boolean; begun: number }[] = [];
    const take = (id: number, begun: number, own: boolean) => {
      found.push({ id, own, begun });
      for (const child of children(id)) take(child.id, child.begun, false);
    };
    for (const child of children(this.driver.pid ?? -1)) if (await runs(child.id)) take(child.id, child.begun, true);
    return found;
  }
}

/** Runs in the page: when it appeared, by the clock of the machine. */
function appears(selector: string): Promise<number> {
  return new Promise((told) => {
    const look = () => (document.querySelector(selector) ? told(Date.now()) : setTimeout(look, 4));
    look();
  });
}

async function post(address: string, body: object): Promise<unknown> {
  const answer = await fetch(address, { method: 'POST', body: JSON.stringify(body) });
  const { value } = (await answer.json()) as { value: unknown };
  if (!answer.ok) throw new Error(JSON.stringify(value));
  return value;
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it takes too long until ${what}`);
    await new Promise((done) => setTimeout(done, BETWEEN_MS));
  }
}

function freePort(): Promise<number> {
  return new Promise((told) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => told(port));
    });
  });
}
