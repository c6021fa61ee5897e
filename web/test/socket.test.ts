import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { nextTry } from '../src/live/backoff';
import { parseFrame } from '../src/live/protocol';
import { FakeWorld, makeSocket } from './fakes';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('how long to wait before knocking again', () => {
  const wait = (code: number, failures: number, random = 1, reason = '') =>
    nextTry({ code, reason, failures }, () => random);

  test('full jitter, doubling, from nothing to the cap', () => {
    expect(wait(1006, 1, 0)).toEqual({ kind: 'after', ms: 0 });
    expect(wait(1006, 1)).toEqual({ kind: 'after', ms: 1_000 });
    expect(wait(1006, 2)).toEqual({ kind: 'after', ms: 2_000 });
  });

  test('after three failures once a minute, while the page polls', () => {
    expect(wait(1006, 3)).toEqual({ kind: 'after', ms: 60_000 });
    expect(wait(1006, 30)).toEqual({ kind: 'after', ms: 60_000 });
  });

  test('a deployment brings everybody back spread over ten seconds', () => {
    expect(wait(1001, 1, 0.9)).toEqual({ kind: 'after', ms: 9_000 });
  });

  test('a limit is waited out, and never less than it says', () => {
    expect(wait(4429, 1, 0, '{"retry_after_s":45}')).toEqual({ kind: 'after', ms: 45_000 });
    expect(wait(4429, 1, 0, 'no json')).toEqual({ kind: 'after', ms: 30_000 });
  });

  test.each([4401, 4403])('%d is not asked again', (code) =>
    expect(wait(code, 1)).toEqual({ kind: 'never' }),
  );
});

test.each(['', '{', '[]', 'null', '{"t":"future"}', '42'])(
  'a frame that is not understood is ignored: %s',
  (text) => {
    expect(parseFrame(text)).toBeNull();
  },
);

describe('the socket', () => {
  const since = () => ({ epoch: 'a', offset: 7 });
  const onFrame = vi.fn();
  const overview = { topic: 'overview' as const, params: {}, since, onFrame };

  beforeEach(() => onFrame.mockReset());

  test('subscribes once welcomed, with the position it has', () => {
    const world = new FakeWorld();
    const { socket, states } = makeSocket(world);
    socket.start();
    socket.subscribe(overview);
    expect(world.latest.sent).toEqual([]);
    world.latest.welcome();
    expect(world.latest.sent).toEqual([
      { t: 'sub', id: 1, topic: 'overview', params: {}, rate_hz: 1, since: { epoch: 'a', offset: 7 } },
    ]);
    expect(states).toEqual(['connecting', 'open']);
  });

  test('repeats its subscriptions on a new connection, with the position of then', async () => {
    const world = new FakeWorld();
    const { socket, states } = makeSocket(world);
    let offset = 7;
    socket.start();
    world.latest.welcome();
    socket.subscribe({ ...overview, since: () => ({ epoch: 'a', offset }) });
    offset = 9;
    world.latest.ends();
    await vi.advanceTimersByTimeAsync(1_000);
    world.latest.welcome();
    expect(world.opened).toHaveLength(2);
    expect(world.latest.of('sub')).toEqual([
      expect.objectContaining({ id: 1, since: { epoch: 'a', offset: 9 } }),
    ]);
    expect(states).toEqual(['connecting', 'open', 'down', 'open']);
  });

  test('hands frames to the subscription they name, and to no other', () => {
    const world = new FakeWorld();
    const { socket } = makeSocket(world);
    socket.start();
    world.latest.welcome();
    const id = socket.subscribe(overview);
    world.latest.says({ t: 'delta', id: id + 1, from: 1, to: 2, d: {} });
    expect(onFrame).not.toHaveBeenCalled();
    world.latest.says({ t: 'delta', id, from: 1, to: 2, d: {} });
    expect(onFrame).toHaveBeenCalledOnce();
    socket.unsubscribe(id);
    world.latest.says({ t: 'delta', id, from: 2, to: 3, d: {} });
    expect(onFrame).toHaveBeenCalledOnce();
    expect(world.latest.of('unsub')).toEqual([{ t: 'unsub', id }]);
  });

  test('lets go of a line that is silent for two and a half heartbeats', async () => {
    const world = new FakeWorld();
    const { socket, states } = makeSocket(world);
    socket.start();
    world.latest.welcome();
    const first = world.latest;
    await vi.advanceTimersByTimeAsync(20_000);
    first.says({ t: 'hb', server_time: '', lag_ms: 1, watermark: null });
    await vi.advanceTimersByTimeAsync(24_900);
    expect(first.closedWith).toBeUndefined();
    await vi.advanceTimersByTimeAsync(200);
    expect(first.closedWith).toBe(4408);
    expect(states.at(-1)).toBe('down');
  });

  test('also lets go of a server that never says welcome', async () => {
    const world = new FakeWorld();
    const { socket, states } = makeSocket(world);
    socket.start();
    await vi.advanceTimersByTimeAsync(25_100);
    expect(world.opened[0]?.closedWith).toBe(4408);
    expect(states).toEqual(['connecting', 'down']);
  });

  test('polls after three failures and tries again each minute until it works', async () => {
    const world = new FakeWorld();
    const { socket, states } = makeSocket(world);
    socket.start();
    for (let i = 0; i < 2; i += 1) {
      world.latest.ends();
      await vi.advanceTimersByTimeAsync(2_000);
    }
    world.latest.ends();
    expect(states.at(-1)).toBe('polling');
    expect(world.opened).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(world.opened).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(world.opened).toHaveLength(4);
    expect(states.at(-1)).toBe('polling');
    world.latest.welcome();
    expect(states.at(-1)).toBe('open');
  });

  test('forgives failures only after thirty stable seconds with data', async () => {
    const world = new FakeWorld();
    const { socket, states } = makeSocket(world);
    socket.start();
    // accepted and dropped at once, again and again: the count goes on
    for (let i = 0; i < 3; i += 1) {
      world.latest.welcome();
      world.latest.ends();
      if (i < 2) await vi.advanceTimersByTimeAsync(2_000);
    }
    expect(states.at(-1)).toBe('polling');
    await vi.advanceTimersByTimeAsync(60_500);
    world.latest.welcome();
    const id = socket.subscribe(overview);
    world.latest.says({ t: 'delta', id, from: 1, to: 2, d: {} });
    for (let i = 0; i < 4; i += 1) {
      await vi.advanceTimersByTimeAsync(10_000);
      world.latest.says({ t: 'hb', server_time: '', lag_ms: 1, watermark: null });
    }
    world.latest.ends();
    expect(states.at(-1)).toBe('down');
  });

  test.each([4401, 4403])('gives up when the server says %d', async (code) => {
    const world = new FakeWorld();
    const { socket, states } = makeSocket(world);
    socket.start();
    world.latest.welcome();
    world.latest.ends(code);
    expect(states.at(-1)).toBe('refused');
    await vi.advanceTimersByTimeAsync(600_000);
    expect(world.opened).toHaveLength(1);
  });

  test('tells the rate to every subscription, and to those that come later', () => {
    const world = new FakeWorld();
    const { socket } = makeSocket(world);
    socket.start();
    world.latest.welcome();
    socket.subscribe(overview);
    socket.setRate(0);
    socket.setRate(0);
    expect(world.latest.of('rate')).toEqual([{ t: 'rate', id: 1, hz: 0 }]);
    socket.subscribe(overview);
    expect(world.latest.of('sub').at(-1)).toMatchObject({ id: 2, rate_hz: 0 });
  });

  test('survives a browser that forbids the address', async () => {
    const world = new FakeWorld();
    const open = vi.spyOn(world, 'open').mockImplementation(() => {
      throw new DOMException('insecure', 'SecurityError');
    });
    const { socket, states } = makeSocket(world);
    socket.start();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(open.mock.calls.length).toBeGreaterThanOrEqual(3);
    expect(states.at(-1)).toBe('polling');
  });

  test('is over when it is stopped', async () => {
    const world = new FakeWorld();
    const { socket } = makeSocket(world);
    socket.start();
    world.latest.welcome();
    socket.stop();
    expect(world.latest.closedWith).toBe(1000);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(world.opened).toHaveLength(1);
  });
});
