/**
 * Keeps the page live: owns the socket and the feeds, shows what they gathered at most once a second,
 * polls by REST while there is no socket, and knows the one word for it all that the status pill prints.
 */
import type { QueryClient, QueryKey } from '@tanstack/react-query';
import { ApiError } from '../api/problem';
import { correctClock, now } from '../time/clock';
import { Feed, type TopicRules } from './feed';
import type { Cursor } from './protocol';
import type { LinkState, LiveSocket } from './socket';

export const POLL_MS = 10_000;
const SHOW_EVERY_MS = 1_000;

export type Status =
  | { kind: 'connecting' }
  /** `lagMs` is null when nothing was ever received, undefined until the server has said. */
  | { kind: 'live'; lagMs: number | null | undefined }
  | { kind: 'paused'; at: number }
  | { kind: 'reconnecting'; showing: number | null }
  | { kind: 'polling' }
  | { kind: 'offline'; since: number };

/** A feed of any answer; the hub only opens, shows, refetches and closes it. */
type AnyFeed = Pick<Feed<{ stream: Cursor }>, 'open' | 'close' | 'show' | 'refetch'>;

export class LiveHub {
  private readonly feeds = new Set<AnyFeed>();
  private readonly listeners = new Set<() => void>();
  private readonly socket: LiveSocket;
  private status: Status = { kind: 'connecting' };
  private link: LinkState = 'down';
  private lagMs: number | null | undefined;
  private pausedAt: number | null = null;
  private offlineSince: number | null = null;
  private shownAt: number | null = null;
  private showTimer: ReturnType<typeof setTimeout> | undefined;
  private pollTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly queries: QueryClient,
    makeSocket: (events: ConstructorParameters<typeof LiveSocket>[1]) => LiveSocket,
  ) {
    this.socket = makeSocket({
      onState: (link) => this.linked(link),
      onServerTime: correctClock,
      onLag: (lagMs) => this.setLag(lagMs),
    });
  }

  /** Connects, and listens to the browser until the returned function is called. */
  start(): () => void {
    const visibility = () => this.pace();
    const online = () => {
      this.offlineSince = null;
      this.socket.start();
      this.poll();
      this.tell();
    };
    const offline = () => this.setOffline(true);
    document.addEventListener('visibilitychange', visibility);
    window.addEventListener('online', online);
    window.addEventListener('offline', offline);
    this.pace();
    this.socket.start();
    return () => {
      document.removeEventListener('visibilitychange', visibility);
      window.removeEventListener('online', online);
      window.removeEventListener('offline', offline);
      clearTimeout(this.showTimer);
      clearTimeout(this.pollTimer);
      this.socket.stop();
    };
  }

  /** Keeps a cached answer live until the returned function is called. */
  follow<T extends { stream: Cursor }>(
    rules: TopicRules<T>,
    key: QueryKey,
    params: Record<string, string>,
  ): () => void {
    const feed = new Feed<T>(this.queries, this.socket, {
      rules,
      key,
      params,
      onPending: () => this.showSoon(),
    });
    this.feeds.add(feed);
    this.shownAt ??= now();
    feed.open();
    this.poll();
    return () => {
      this.feeds.delete(feed);
      feed.close();
    };
  }

  pause(): void {
    this.pausedAt = now();
    this.pace();
    this.tell();
  }

  resume(): void {
    this.pausedAt = null;
    this.pace();
    this.tell();
    this.showSoon();
    this.poll();
  }

  /** The pipeline's lag, also from answers that carry it. */
  setLag(lagMs: number | null): void {
    if (lagMs === this.lagMs) return;
    this.lagMs = lagMs;
    this.tell();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  getStatus = (): Status => this.status;

  private linked(link: LinkState): void {
    this.link = link;
    if (link === 'open') this.offlineSince = null;
    this.poll();
    this.tell();
  }

  private get quiet(): boolean {
    return this.pausedAt !== null || document.hidden;
  }

  private pace(): void {
    this.socket.setRate(this.quiet ? 0 : 1);
    if (!this.quiet) this.showSoon();
    this.poll();
  }

  private showSoon(): void {
    if (this.showTimer !== undefined || this.quiet) return;
    const dueMs = this.shownAt === null ? 0 : SHOW_EVERY_MS - (now() - this.shownAt);
    this.showTimer = setTimeout(
      () => {
        this.showTimer = undefined;
        if (this.quiet) return;
        const changed = [...this.feeds].filter((feed) => feed.show());
        if (changed.length > 0) this.shownAt = now();
        this.tell();
      },
      Math.min(SHOW_EVERY_MS, Math.max(0, dueMs)),
    );
  }

  private get polls(): boolean {
    return (this.link === 'polling' || this.link === 'refused') && !this.quiet;
  }

  /** Starts or stops asking by REST, as the state of the link demands. */
  private poll(): void {
    if (!this.polls) {
      clearTimeout(this.pollTimer);
      this.pollTimer = undefined;
      return;
    }
    if (this.pollTimer !== undefined) return;
    this.pollTimer = setTimeout(() => {
      this.pollOnce().finally(() => {
        this.pollTimer = undefined;
        this.poll();
      });
    }, POLL_MS);
  }

  private async pollOnce(): Promise<void> {
    const asked = await Promise.allSettled([...this.feeds].map((feed) => feed.refetch()));
    if (asked.some((answer) => answer.status === 'fulfilled')) this.shownAt = now();
    const away = (answer: PromiseSettledResult<void>) =>
      answer.status === 'rejected' && answer.reason instanceof ApiError && answer.reason.problem.status === 0;
    if (asked.length > 0) this.setOffline(asked.every(away));
  }

  private setOffline(offline: boolean): void {
    if (offline === (this.offlineSince !== null)) return;
    this.offlineSince = offline ? now() : null;
    this.tell();
  }

  private tell(): void {
    const next = this.derive();
    if (JSON.stringify(next) === JSON.stringify(this.status)) return;
    this.status = next;
    for (const listener of this.listeners) listener();
  }

  private derive(): Status {
    if (this.pausedAt !== null) return { kind: 'paused', at: this.pausedAt };
    if (this.offlineSince !== null) return { kind: 'offline', since: this.offlineSince };
    if (this.link === 'open') return { kind: 'live', lagMs: this.lagMs };
    if (this.link === 'connecting') return { kind: 'connecting' };
    if (this.link === 'down') return { kind: 'reconnecting', showing: this.shownAt };
    return { kind: 'polling' };
  }
}
