import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { unreachable } from '../src/api/problem';
import type { Overview } from '../src/api/types';
import { OVERVIEW } from '../src/live/feed';
import { LiveHub } from '../src/live/hub';
import { LiveSocket } from '../src/live/socket';
import { FakeWorld } from './fakes';
import { NOW, overviewAt } from './support';

const KEY = ['overview', {}];

let world: FakeWorld;
let queries: QueryClient;
let hub: LiveHub;
let ask: ReturnType<typeof vi.fn<() => Promise<Overview>>>;
let stop: () => void;

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW });
  world = new FakeWorld();
  queries = new QueryClient({
    defaultOptions: { queries: { retry: false, staleTime: Number.POSITIVE_INFINITY } },
  });
  ask = vi.fn(async () => overviewAt(Date.now()));
  await queries.prefetchQuery({ queryKey: KEY, queryFn: ask });
  hub = new LiveHub(queries, (events) => new LiveSocket('ws://test', events, world));
  stop = hub.start();
});

afterEach(() => {
  stop();
  queries.clear();
  vi.useRealTimers();
  setHidden(false);
});

function setHidden(hidden: boolean): void {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}

const cached = () => queries.getQueryData<Overview>(KEY);
const onSite = () => cached()?.on_site;
const position = () => cached()?.stream.offset ?? 0;

/** Follows the overview over an open socket and gives back the id of its subscription. */
function follow(): number {
  hub.follow(OVERVIEW, KEY, {});
  world.latest.welcome();
  return Number(world.latest.of('sub').at(-1)?.id);
}

function delta(id: number, from: number, on_site: number): void {
  world.latest.says({ t: 'delta', id, from, to: from + 1, d: { on_site } });
}

describe('a followed answer', () => {
  test('is subscribed with the cursor of the REST answer', () => {
    follow();
    expect(world.latest.of('sub')[0]).toMatchObject({
      topic: 'overview',
      since: { epoch: cached()?.stream.epoch, offset: position() },
    });
  });

  test('is shown at most once a second, however many deltas come', async () => {
    const id = follow();
    const shown = vi.fn();
    queries.getQueryCache().subscribe(shown);
    await vi.advanceTimersByTimeAsync(2_000);
    const from = position();
    for (let i = 0; i < 8; i += 1) {
      delta(id, from + i, 100 + i);
      await vi.advanceTimersByTimeAsync(100);
    }
    // the first at once, the others together
    expect(onSite()).toBe(100);
    await vi.advanceTimersByTimeAsync(300);
    expect(onSite()).toBe(107);
    expect(position()).toBe(from + 8);
    expect(shown.mock.calls.filter(([event]) => event.type === 'updated')).toHaveLength(2);
  });

  test('is asked again after a gap, and followed from the new answer', async () => {
    const id = follow();
    await vi.advanceTimersByTimeAsync(3_000);
    delta(id, position() + 5, 1);
    await vi.advanceTimersByTimeAsync(10);
    expect(ask).toHaveBeenCalledTimes(2);
    const sub = world.latest.of('sub').at(-1);
    expect(world.latest.of('unsub')).toEqual([{ t: 'unsub', id }]);
    expect(sub?.id).not.toBe(id);
    expect(sub).toMatchObject({ since: { offset: position() } });
  });

  test('is asked again when the server says resync, and not in a storm', async () => {
    let id = follow();
    for (let i = 0; i < 4; i += 1) {
      world.latest.says({ t: 'resync', id, reason: 'expired' });
      await vi.advanceTimersByTimeAsync(10);
      id = Number(world.latest.of('sub').at(-1)?.id);
    }
    expect(ask).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(ask.mock.calls.length).toBeLessThanOrEqual(3);
  });

  test('goes on from a REST answer that came in between', async () => {
    const id = follow();
    await vi.advanceTimersByTimeAsync(2_000);
    delta(id, position(), 1);
    delta(id, position() + 1, 2);
    await vi.advanceTimersByTimeAsync(0);
    delta(id, position(), 3);
    await queries.refetchQueries({ queryKey: KEY });
    const fresh = onSite();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(onSite()).toBe(fresh);
    expect(world.latest.of('sub').at(-1)).toMatchObject({ since: { offset: position() } });
  });

  test('takes a snapshot as it is', async () => {
    const id = follow();
    await vi.advanceTimersByTimeAsync(1_500);
    world.latest.says({
      t: 'snapshot',
      id,
      epoch: 'b',
      to: 99,
      d: { on_site: 5, zones: {}, silent_sensors: {} },
    });
    await vi.advanceTimersByTimeAsync(10);
    expect(onSite()).toBe(5);
    expect(cached()?.stream).toMatchObject({ epoch: 'b', offset: 99 });
  });
});

describe('paused or hidden', () => {
  test('nothing moves and the server is told to rest; resuming goes on where it was', async () => {
    const id = follow();
    await vi.advanceTimersByTimeAsync(2_000);
    const before = onSite();
    hub.pause();
    expect(hub.getStatus()).toEqual({ kind: 'paused', at: Date.now() });
    expect(world.latest.of('rate').at(-1)).toEqual({ t: 'rate', id, hz: 0 });
    const from = position();
    delta(id, from, 1);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(onSite()).toBe(before);
    hub.resume();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(onSite()).toBe(1);
    expect(world.latest.of('rate').at(-1)).toEqual({ t: 'rate', id, hz: 1 });
  });

  test('a hidden tab rests by itself', () => {
    const id = follow();
    setHidden(true);
    expect(world.latest.of('rate').at(-1)).toEqual({ t: 'rate', id, hz: 0 });
    setHidden(false);
    expect(world.latest.of('rate').at(-1)).toEqual({ t: 'rate', id, hz: 1 });
  });
});

describe('the status', () => {
  test('is the lag of the pipeline while the socket is open', () => {
    follow();
    world.latest.says({ t: 'hb', server_time: new Date().toISOString(), lag_ms: 1_830, watermark: null });
    expect(hub.getStatus()).toEqual({ kind: 'live', lagMs: 1_830 });
  });

  test('says what is shown while the line is down', async () => {
    follow();
    await vi.advanceTimersByTimeAsync(4_000);
    world.latest.ends();
    expect(hub.getStatus()).toEqual({ kind: 'reconnecting', showing: NOW });
  });

  test('becomes polling, asks REST every ten seconds, and live again', async () => {
    follow();
    for (let i = 0; i < 3; i += 1) {
      world.latest.ends();
      if (i < 2) await vi.advanceTimersByTimeAsync(2_000);
    }
    expect(hub.getStatus()).toEqual({ kind: 'polling' });
    const asked = ask.mock.calls.length;
    await vi.advanceTimersByTimeAsync(30_100);
    expect(ask.mock.calls.length).toBe(asked + 3);
    await vi.advanceTimersByTimeAsync(30_000);
    world.latest.welcome();
    expect(hub.getStatus().kind).toBe('live');
    const then = ask.mock.calls.length;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(ask.mock.calls.length).toBe(then);
  });

  test('is offline when polling finds nobody, and recovers by itself', async () => {
    follow();
    for (let i = 0; i < 3; i += 1) {
      world.latest.ends();
      await vi.advanceTimersByTimeAsync(2_000);
    }
    const before = onSite();
    ask.mockImplementation(async () => {
      throw unreachable(new TypeError('failed to fetch'));
    });
    await vi.advanceTimersByTimeAsync(20_100);
    expect(hub.getStatus().kind).toBe('offline');
    expect(onSite()).toBe(before);
    ask.mockImplementation(async () => overviewAt(Date.now()));
    await vi.advanceTimersByTimeAsync(10_100);
    expect(hub.getStatus().kind).toBe('polling');
  });

  test('is offline at once when the browser says so', () => {
    follow();
    window.dispatchEvent(new Event('offline'));
    expect(hub.getStatus()).toEqual({ kind: 'offline', since: Date.now() });
    window.dispatchEvent(new Event('online'));
    expect(hub.getStatus().kind).toBe('live');
  });
});
