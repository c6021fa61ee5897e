/** The sign band: name, pages, status, pause, clock with the site's zone, and the site's settings. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy } from 'react';
import { siteQuery } from '../api/queries';
import { useHub, useStatus } from '../live/context';
import { Popover } from '../parts/Popover';
import { useSpeech } from '../speech';
import { useNow } from '../time/clock';
import { stamp } from '../time/range';
import { StatusPill } from './StatusPill';

const SettingsPanel = lazy(() => import('./SettingsPanel'));

export function Sign() {
  const { t } = useSpeech();
  const site = useQuery(siteQuery).data;
  return (
    <header className="sign">
      <div className="sign-in">
        <Link className="brand" to="/">
          {t('brand')}
        </Link>
        <nav className="nav" aria-label={t('pages')}>
          <ul>
            <li>
              <Link to="/" activeProps={{ 'aria-current': 'page' }}>
                {t('today')}
              </Link>
            </li>
          </ul>
        </nav>
        <div className="sign-end">
          <StatusPill />
          <PauseButton className="sign-button pause" />
          <Clock />
          <Popover
            button={site?.name ?? t('settings')}
            buttonClass="sign-button site"
            title={t('settings')}
            side="end"
          >
            {() => <SettingsPanel />}
          </Popover>
        </div>
      </div>
    </header>
  );
}

export function PauseButton({ className }: { className: string }) {
  const { t } = useSpeech();
  const hub = useHub();
  const paused = useStatus().kind === 'paused';
  return (
    <button className={className} type="button" onClick={() => (paused ? hub.resume() : hub.pause())}>
      {paused ? t('resume') : t('pause')}
    </button>
  );
}

function Clock() {
  const { f } = useSpeech();
  const site = useQuery(siteQuery).data;
  const now = useNow(1_000);
  if (site === undefined) return <p className="clock" aria-hidden="true" />;
  return (
    <p className="clock">
      <time dateTime={stamp(now, f.tz)}>{f.clock(now)}</time> <span>{f.tz}</span>
    </p>
  );
}
