/**
 * One word for how fresh the page is. The digits are for eyes; a screen reader hears only that the kind
 * of connection has changed, not every second of lag.
 */
import type { ReactNode } from 'react';
import type { Format } from '../format';
import type { Translate } from '../i18n/catalogue';
import { useStatus } from '../live/context';
import { POLL_MS, type Status } from '../live/hub';
import { useDebounced } from '../parts/useDebounced';
import { useSpeech } from '../speech';

const ANNOUNCE_AFTER_MS = 1_500;

export function StatusPill() {
  const { t, f } = useSpeech();
  const status = useStatus();
  return (
    <span className={`pill pill-${status.kind}`} data-testid="status">
      <svg className="mark" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
        {MARKS[status.kind]}
      </svg>
      <span>{statusText(status, t, f)}</span>
    </span>
  );
}

/** Speaks when the kind of status has changed and stayed so for a moment. */
export function StatusAnnouncer() {
  const { t } = useSpeech();
  const { kind } = useStatus();
  const settled = useDebounced(kind, ANNOUNCE_AFTER_MS);
  const words: Record<Status['kind'], string> = {
    connecting: '',
    live: t('announceLive'),
    paused: t('announcePaused'),
    reconnecting: t('announceReconnecting'),
    polling: t('announcePolling', { seconds: POLL_MS / 1_000 }),
    offline: t('announceOffline'),
  };
  return (
    <p className="vh" role="status">
      {words[settled]}
    </p>
  );
}

export function statusText(status: Status, t: Translate, f: Format): string {
  switch (status.kind) {
    case 'connecting':
      return t('connecting');
    case 'live':
      if (status.lagMs === undefined) return t('livePlain');
      return status.lagMs === null
        ? t('liveIdle')
        : t('live', { lag: f.duration(Math.max(1_000, Math.ceil(status.lagMs / 1_000) * 1_000)) });
    case 'paused':
      return t('paused', { time: f.clock(status.at) });
    case 'reconnecting':
      return status.showing === null
        ? t('reconnectingEmpty')
        : t('reconnecting', { time: f.clock(status.showing) });
    case 'polling':
      return t('polling', { seconds: POLL_MS / 1_000 });
    case 'offline':
      return t('offline', { time: f.time(status.since) });
  }
}

/** A shape for each state, so that colour is never the only difference. */
const MARKS: Record<Status['kind'], ReactNode> = {
  connecting: <circle className="o" cx="6" cy="6" r="4.2" />,
  live: <circle cx="6" cy="6" r="5" />,
  paused: <path d="M2 1h3v10H2zM7 1h3v10H7z" />,
  reconnecting: <path className="o" d="M6 1.2a4.8 4.8 0 1 1-4.5 3.1" />,
  polling: (
    <>
      <circle className="o" cx="6" cy="6" r="4.2" />
      <circle cx="6" cy="6" r="1.6" />
    </>
  ),
  offline: <path className="o" d="M1.5 1.5l9 9M10.5 1.5l-9 9" />,
};
