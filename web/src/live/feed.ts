/**
 * One subscription bound to one cached answer. Deltas are gathered here and shown at the hub's pace; a gap
 * or a `resync` asks REST again and subscribes with the new cursor.
 */
import type { QueryClient, QueryKey } from '@tanstack/react-query';
import type { Overview, Series, ServerMessage, Topic } from '../api/types';
import { type Delta, overviewFromSnapshot, type Patched, patchOverview, patchSeries } from './patch';
import type { Cursor, JsonObject } from './protocol';
import type { LiveSocket } from './socket';

/** What a topic's answer is, how a snapshot becomes one, and how a delta changes it. */
export interface TopicRules<T> {
  topic: Topic;
  fromSnapshot: (d: JsonObject, epoch: string, offset: number) => T;
  patch: (data: T, delta: Delta) => Patched<T>;
}

export const OVERVIEW: TopicRules<Overview> = {
  topic: 'overview',
  fromSnapshot: overviewFromSnapshot,
  patch: patchOverview,
};

export const SERIES: TopicRules<Series> = {
  topic: 'series',
  fromSnapshot: (d, epoch, offset) => {
    const series = d as unknown as Series;
    return { ...series, stream: { ...series.stream, topic: 'series', epoch, offset } };
  },
  patch: patchSeries,
};

const RESYNC_BASE_MS = 500;
const RESYNC_CAP_MS = 30_000;

export interface FeedOptions<T> {
  rules: TopicRules<T>;
  key: QueryKey;
  params: Record<string, string>;
  /** Told when something waits to be shown. */
  onPending: () => void;
}

export class Feed<T extends { stream: Cursor }> {
  private id: number | null = null;
  private base: T | undefined;
  private pending: T | undefined;
  private resyncs = 0;
  private resyncTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly queries: QueryClient,
    private readonly socket: LiveSocket,
    private readonly options: FeedOptions<T>,
  ) {}

  open(): void {
    const { rules, params } = this.options;
    this.close();
    this.id = this.socket.subscribe({
      topic: rules.topic,
      params,
      since: () => this.cursor(),
      onFrame: (frame) => this.received(frame),
    });
  }

  close(): void {
    clearTimeout(this.resyncTimer);
    this.pending = undefined;
    if (this.id !== null) this.socket.unsubscribe(this.id);
    this.id = null;
  }

  /** Puts what has gathered into the cache; true if that changed anything. */
  show(): boolean {
    const { pending, base } = this;
    if (pending === undefined) return false;
    this.pending = undefined;
    if (this.cached() !== base) {
      // somebody asked REST meanwhile: continue from that answer instead
      this.open();
      return false;
    }
    this.queries.setQueryData(this.options.key, pending);
    return true;
  }

  /** Asks REST again; the answer replaces whatever has gathered. */
  async refetch(): Promise<void> {
    this.pending = undefined;
    await this.queries.refetchQueries({ queryKey: this.options.key, exact: true }, { throwOnError: true });
  }

  private received(frame: ServerMessage): void {
    switch (frame.t) {
      case 'snapshot':
        this.gather(this.options.rules.fromSnapshot(frame.d as JsonObject, frame.epoch, frame.to));
        return;
      case 'delta': {
        const current = this.pending ?? this.cached();
        const patched =
          current === undefined
            ? { kind: 'gap' as const }
            : this.options.rules.patch(current, frame as Delta);
        if (patched.kind === 'applied') this.gather(patched.data);
        else if (patched.kind === 'gap') this.resync();
        return;
      }
      case 'resync':
      case 'error':
        this.resync();
        return;
    }
  }

  private gather(data: T): void {
    if (this.pending === undefined) this.base = this.cached();
    this.pending = data;
    this.resyncs = 0;
    this.options.onPending();
  }

  private resync(): void {
    const waitMs = this.resyncs === 0 ? 0 : Math.min(RESYNC_CAP_MS, RESYNC_BASE_MS * 2 ** this.resyncs);
    this.resyncs += 1;
    this.close();
    this.resyncTimer = setTimeout(() => {
      this.refetch().then(
        () => this.open(),
        () => this.resync(),
      );
    }, waitMs);
  }

  private cached(): T | undefined {
    return this.queries.getQueryData<T>(this.options.key);
  }

  private cursor(): Cursor | null {
    const data = this.pending ?? this.cached();
    return data === undefined ? null : { epoch: data.stream.epoch, offset: data.stream.offset };
  }
}
