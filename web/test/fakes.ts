/** A WebSocket and a server of the stream that a test drives by hand. */
import { vi } from 'vitest';
import type { LinkState, SocketEvents, SocketWorld } from '../src/live/socket';
import { LiveSocket } from '../src/live/socket';

export class FakeWebSocket {
  readyState: number = WebSocket.CONNECTING;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  closedWith: number | undefined;
  readonly sent: Record<string, unknown>[] = [];

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.closedWith = code;
    this.readyState = WebSocket.CLOSED;
  }

  /** The server says something. */
  says(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  welcome(serverTime = new Date().toISOString()): void {
    this.readyState = WebSocket.OPEN;
    this.says({ t: 'welcome', session: 's', server_time: serverTime, hb_s: 10, max_subs: 16, v: 1 });
  }

  /** The server, or the network, ends it. */
  ends(code = 1006, reason = ''): void {
    this.readyState = WebSocket.CLOSED;
    this.onclose?.({ code, reason });
  }

  /** The frames of a kind that the client has sent. */
  of(kind: string): Record<string, unknown>[] {
    return this.sent.filter((frame) => frame.t === kind);
  }
}

/** All sockets that were opened, the latest last. */
export class FakeWorld implements SocketWorld {
  readonly opened: FakeWebSocket[] = [];

  constructor(readonly random: () => number = () => 0.5) {}

  open = (): WebSocket => {
    const socket = new FakeWebSocket();
    this.opened.push(socket);
    return socket as unknown as WebSocket;
  };

  get latest(): FakeWebSocket {
    const socket = this.opened.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  }
}

export function makeSocket(
  world: FakeWorld,
  events: Partial<SocketEvents> = {},
): { socket: LiveSocket; states: LinkState[] } {
  const states: LinkState[] = [];
  const socket = new LiveSocket(
    'ws://test/api/v1/stream',
    { onState: (state) => states.push(state), onServerTime: vi.fn(), onLag: vi.fn(), ...events },
    world,
  );
  return { socket, states };
}
