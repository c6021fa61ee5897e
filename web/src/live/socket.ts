/**
 * The one socket of the tab: keeps a connection, repeats the subscriptions on a new one, watches the
 * heartbeat and backs off. It knows nothing of what the data mean; `hub.ts` does.
 */

import type { ClientMessage, ServerMessage, Topic } from '../api/types';
import { FAILURES_BEFORE_POLLING, nextTry, STABLE_MS } from './backoff';
import { CLOSE, type Cursor, parseFrame, SUBPROTOCOL } from './protocol';

/** `down` while a retry is due, `polling` when the page should ask by REST meanwhile. */
export type LinkState = 'connecting' | 'open' | 'down' | 'polling' | 'refused';

export interface Subscription {
  topic: Topic;
  params: Record<string, string>;
  /** Where to continue; asked again on every new connection. */
  since: () => Cursor | null;
  onFrame: (frame: ServerMessage & { id: number }) => void;
}

export interface SocketEvents {
  onState: (state: LinkState) => void;
  onServerTime: (serverTime: string) => void;
  onLag: (lagMs: number | null) => void;
}

/** What the socket takes from the world; a test brings its own. */
export interface SocketWorld {
  open: (url: string, protocol: string) => WebSocket;
  random: () => number;
}

const BROWSER: SocketWorld = {
  open: (url, protocol) => new WebSocket(url, protocol),
  random: Math.random,
};

/** A heartbeat is missed when two and a half of its intervals pass without any frame. */
const STALE_FACTOR = 2.5;
/** Until the welcome says otherwise. */
const HEARTBEAT_DEFAULT_S = 10;

export class LiveSocket {
  private readonly subscriptions = new Map<number, Subscription>();
  private ws: WebSocket | null = null;
  private state: LinkState = 'down';
  private rateHz = 1;
  private nextId = 1;
  private failures = 0;
  private heartbeatS = HEARTBEAT_DEFAULT_S;
  private openedAt = 0;
  private sawData = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private staleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    private readonly events: SocketEvents,
    private readonly world: SocketWorld = BROWSER,
  ) {}

  start(): void {
    clearTimeout(this.retryTimer);
    if (this.ws !== null) return;
    // a retry stays what it is for the reader, `down` or `polling`, until it has succeeded
    if (this.failures === 0) this.become('connecting');
    let ws: WebSocket;
    try {
      ws = this.world.open(this.url, SUBPROTOCOL);
    } catch {
      // a browser that forbids the address throws at once; treat it as any other failure
      this.ended({ code: 1006, reason: '' });
      return;
    }
    this.ws = ws;
    this.openedAt = 0;
    this.sawData = false;
    this.watch();
    ws.onmessage = (event) => this.ws === ws && this.received(parseFrame(event.data));
    ws.onclose = (event) => this.ws === ws && this.ended(event);
  }

  stop(): void {
    clearTimeout(this.retryTimer);
    clearTimeout(this.staleTimer);
    const ws = this.ws;
    this.ws = null;
    ws?.close(1000);
  }

  /** Adds a subscription and returns its id; it is sent now and again after every reconnect. */
  subscribe(subscription: Subscription): number {
    const id = this.nextId;
    this.nextId += 1;
    this.subscriptions.set(id, subscription);
    if (this.state === 'open') this.sendSub(id, subscription);
    return id;
  }

  unsubscribe(id: number): void {
    if (this.subscriptions.delete(id)) this.send({ t: 'unsub', id });
  }

  /** Frames a second for every subscription; 0 pauses them on the server. */
  setRate(hz: number): void {
    if (hz === this.rateHz) return;
    this.rateHz = hz;
    for (const id of this.subscriptions.keys()) this.send({ t: 'rate', id, hz });
  }

  private received(frame: ServerMessage | null): void {
    this.watch();
    if (frame === null) return;
    switch (frame.t) {
      case 'welcome':
        this.heartbeatS = frame.hb_s;
        this.openedAt = Date.now();
        this.events.onServerTime(frame.server_time);
        this.become('open');
        for (const [id, subscription] of this.subscriptions) this.sendSub(id, subscription);
        return;
      case 'hb':
        this.events.onServerTime(frame.server_time);
        this.events.onLag(frame.lag_ms);
        this.forgive();
        return;
      case 'snapshot':
      case 'delta':
      case 'resync':
        this.sawData = true;
        this.forgive();
        this.subscriptions.get(frame.id)?.onFrame(frame);
        return;
      case 'error':
        if (typeof frame.id === 'number')
          this.subscriptions.get(frame.id)?.onFrame({ ...frame, id: frame.id });
        return;
      case 'pong':
      case 'done':
        return;
    }
  }

  private forgive(): void {
    if (this.sawData && this.openedAt > 0 && Date.now() - this.openedAt >= STABLE_MS) this.failures = 0;
  }

  private ended(ending: { code: number; reason: string }): void {
    clearTimeout(this.staleTimer);
    this.ws = null;
    this.failures += 1;
    const next = nextTry({ ...ending, failures: this.failures }, this.world.random);
    if (next.kind === 'never') {
      this.become('refused');
      return;
    }
    this.become(this.failures >= FAILURES_BEFORE_POLLING ? 'polling' : 'down');
    this.retryTimer = setTimeout(() => this.start(), next.ms);
  }

  /** (Re)starts the watch for silence; also covers a connection that never says welcome. */
  private watch(): void {
    clearTimeout(this.staleTimer);
    this.staleTimer = setTimeout(
      () => {
        const ws = this.ws;
        // the closing handshake would take its own time on a dead line: let go first
        this.ended({ code: CLOSE.heartbeat, reason: '' });
        ws?.close(CLOSE.heartbeat);
      },
      this.heartbeatS * STALE_FACTOR * 1_000,
    );
  }

  private sendSub(id: number, subscription: Subscription): void {
    const { topic, params, since } = subscription;
    this.send({ t: 'sub', id, topic, params, rate_hz: this.rateHz, since: since() });
  }

  private send(frame: ClientMessage): void {
    if (this.ws?.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify(frame));
  }

  private become(state: LinkState): void {
    if (state === this.state) return;
    this.state = state;
    this.events.onState(state);
  }
}
