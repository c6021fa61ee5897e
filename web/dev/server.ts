/**
 * The mock API: REST, stream and MQTT of a campus with moving data, and the built files if there are any.
 *
 *   npm run mock -- [--port 8790] [--mqtt 0] [--scenario day|calm|empty|blind] [--now 2026-11-24T11:20:16Z]
 *                       [--no-stream] [--quiet]
 *
 * Prints one line of JSON with its addresses. `--now` sets where the clock begins; it runs on from there.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Overview, Problem, Series } from '../src/api/types';
import { TYPES, ZONES } from './campus';
import { keyed, mergeDiff, seriesDiff } from './delta';
import { Campus } from './model';
import { mqttServer } from './mqtt';
import { EPOCH, POINTS_MAX, type Scenario } from './published';
import { duration, type Question } from './question';

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: '8790' },
    mqtt: { type: 'string', default: '0' },
    scenario: { type: 'string', default: 'day' },
    now: { type: 'string' },
    'no-stream': { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});

const HEARTBEAT_S = 10;
const REPLAY_S = 300;
const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const MIME: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

const campus = new Campus(flags.scenario as Scenario);
const offset = flags.now ? Date.parse(flags.now) - Date.now() : 0;
const now = () => Date.now() + offset;
let requests = 0;

const routes: Record<string, (question: Question) => unknown> = {
  '/api/v1/site': () => campus.site(now()),
  '/api/v1/sensors': () => ({ items: campus.sensors(now()), next_cursor: null }),
  '/api/v1/zones': () => ({ items: ZONES.map(({ share: _, ...zone }) => zone), next_cursor: null }),
  '/api/v1/traveler-types': () => ({ items: TYPES.map(({ id }) => ({ id, name: id })), next_cursor: null }),
  '/api/v1/overview': (question) => campus.overview(question, now()),
  '/api/v1/series': (question) => checkedSeries(question),
};

class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

function checkedSeries(question: Question): Series {
  const [from, to] = campus.range(question, now());
  const step = duration(question.step ?? '60s');
  if (!(from < to)) {
    throw new Refusal({
      type: 'https://footfall.dev/problems/invalid-parameter',
      title: 'Invalid parameter',
      status: 400,
      detail: 'end must be after start',
    });
  }
  if ((to - from) / step > POINTS_MAX) {
    const suggested_step = ['5m', '15m', '30m', '1h', '1d'].find(
      (wider) => (to - from) / duration(wider) <= POINTS_MAX,
    );
    throw new Refusal({
      type: 'https://footfall.dev/problems/too-many-points',
      title: 'Too many points',
      status: 422,
      suggested_step,
    });
  }
  return campus.series(question, now());
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://mock');
  const route = routes[url.pathname];
  requests += 1;
  const id = `mock-${requests}`;
  if (route === undefined) return file(url.pathname, response);
  const send = (status: number, type: string, body: unknown) => {
    response.writeHead(status, {
      'content-type': type,
      'cache-control': 'private, no-cache',
      'x-request-id': id,
    });
    response.end(JSON.stringify(body));
  };
  try {
    send(200, 'application/json', route(Object.fromEntries(url.searchParams)));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(error.problem.status, 'application/problem+json', {
      ...error.problem,
      instance: url.pathname,
      request_id: id,
    });
  }
});

/** A built file, or the page for every other address: history fallback. */
function file(path: string, response: ServerResponse): void {
  const wanted = join(DIST, normalize(path));
  const found =
    wanted.startsWith(DIST) && existsSync(wanted) && statSync(wanted).isFile()
      ? wanted
      : join(DIST, 'index.html');
  if (path.startsWith('/api/') || !existsSync(found)) {
    response.writeHead(404, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ type: 'about:blank', title: 'Not found', status: 404 }));
    return;
  }
  response.writeHead(200, { 'content-type': MIME[extname(found)] ?? 'application/octet-stream' });
  createReadStream(found).pipe(response);
}

interface SubFrame {
  id: number;
  topic: string;
  params?: Question;
  rate_hz?: number;
  since?: { epoch: string; offset: number } | null;
}

/** One subscription of one socket: remembers the instant of the answer the client has. */
class Sub {
  rate: number;
  /** The instant whose answer the client has; null after a resync. */
  private at: number | null = null;
  private readonly params: Question;

  constructor(
    private readonly socket: WebSocket,
    private readonly frame: SubFrame,
  ) {
    this.params = frame.params ?? {};
    this.rate = frame.rate_hz ?? 1;
    const at = frame.since ? frame.since.offset * 1_000 : null;
    if (
      at !== null &&
      (frame.since?.epoch !== EPOCH || now() - at > REPLAY_S * 1_000 || at > now() + 2_000)
    ) {
      this.send({ t: 'resync', reason: frame.since?.epoch === EPOCH ? 'expired' : 'epoch' });
      return;
    }
    this.at = at ?? this.snapshot();
  }

  private snapshot(): number {
    const at = Math.floor(now() / 1_000) * 1_000;
    const { stream, ...body } = this.overview
      ? campus.overview(this.params, at)
      : campus.series(this.params, at);
    this.send({ t: 'snapshot', epoch: EPOCH, to: stream.offset, d: 'zones' in body ? keyed(body) : body });
    return at;
  }

  tick(): void {
    if (this.at === null || this.rate === 0) return;
    const to = Math.floor(now() / 1_000) * 1_000;
    if (to <= this.at) return;
    // an answer is remembered only as its instant: both are computed again from the same past
    const d = this.overview
      ? mergeDiff(
          keyed(bare(campus.overview(this.params, this.at))),
          keyed(bare(campus.overview(this.params, to))),
        )
      : seriesDiff(campus.series(this.params, this.at), campus.series(this.params, to));
    this.send({ t: 'delta', from: this.at / 1_000, to: to / 1_000, d });
    this.at = to;
  }

  private get overview(): boolean {
    return this.frame.topic === 'overview';
  }

  private send(frame: object): void {
    this.socket.send(JSON.stringify({ id: this.frame.id, ...frame }));
  }
}

function bare({ stream: _, ...overview }: Overview): Omit<Overview, 'stream'> {
  return overview;
}

if (!flags['no-stream']) {
  const stream = new WebSocketServer({
    server,
    path: '/api/v1/stream',
    handleProtocols: () => 'footfall.v1',
    maxPayload: 16 * 1024,
  });
  stream.on('connection', (socket) => {
    const subs = new Map<number, Sub>();
    const say = (frame: object) => socket.send(JSON.stringify(frame));
    say({
      t: 'welcome',
      session: 'mock',
      server_time: campus.stamp(now()),
      hb_s: HEARTBEAT_S,
      max_subs: 16,
      v: 1,
    });
    const heartbeat = setInterval(
      () =>
        say({
          t: 'hb',
          server_time: campus.stamp(now()),
          lag_ms: campus.overview({}, now()).lag_ms,
          watermark: campus.stamp(now()),
        }),
      HEARTBEAT_S * 1_000,
    );
    const ticker = setInterval(() => {
      for (const sub of subs.values()) sub.tick();
    }, 500);
    socket.on('close', () => {
      clearInterval(heartbeat);
      clearInterval(ticker);
    });
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data));
      const sub = subs.get(frame.id);
      if (frame.t === 'sub') subs.set(frame.id, new Sub(socket, frame));
      else if (frame.t === 'unsub' && subs.delete(frame.id)) say({ t: 'done', id: frame.id });
      else if (frame.t === 'rate' && sub) sub.rate = frame.hz;
      else if (frame.t === 'ping') say({ t: 'pong', id: frame.id });
    });
  });
}

const mqtt = mqttServer((topic, payload) => {
  const [root, , sensor = '', kind] = topic.split('/');
  if (root !== 'footfall' || kind !== 'positions') return;
  for (const position of [JSON.parse(payload)].flat()) {
    const received = now();
    const at = position.timestamp ? Date.parse(position.timestamp) : received;
    campus.published.push({
      sensor,
      traveler: String(position.traveler_id),
      type: position.traveler_type ?? 'person',
      at,
      received,
    });
  }
});

server.listen(Number(flags.port), '127.0.0.1', () => {
  mqtt.listen(Number(flags.mqtt), '127.0.0.1', () => {
    const port = (listener: Pick<Server, 'address'>) => (listener.address() as AddressInfo).port;
    if (!flags.quiet)
      console.log(
        JSON.stringify({ http: `http://127.0.0.1:${port(server)}`, mqtt: `127.0.0.1:${port(mqtt)}` }),
      );
  });
});

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0));
