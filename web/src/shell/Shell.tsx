/**
 * What surrounds every page: the sign band with status and clock, the legend, help and keyboard. A wall
 * display has none of it.
 */
import { useQuery } from '@tanstack/react-query';
import { Outlet } from '@tanstack/react-router';
import { useEffect } from 'react';
import { siteQuery } from '../api/queries';
import { LiveProvider } from '../live/context';
import { usePrefs } from '../prefs';
import { useUrl } from '../router';
import { SpeechProvider, useSpeech } from '../speech';
import { applyTheme, preparePaper } from '../theme';
import { correctClock } from '../time/clock';
import { BottomBar } from './BottomBar';
import { Help } from './Help';
import { HelpContext } from './help-context';
import { Sign } from './Sign';
import { StatusAnnouncer } from './StatusPill';
import { useShortcuts } from './useShortcuts';

export default function Shell() {
  const url = useUrl();
  const prefs = usePrefs();
  const site = useQuery(siteQuery);

  useEffect(preparePaper, []);
  useEffect(() => applyTheme(url.theme ?? prefs.theme), [url.theme, prefs.theme]);
  useEffect(() => {
    if (site.data) correctClock(site.data.now);
  }, [site.data]);

  return (
    <SpeechProvider
      wishes={[url.lang, prefs.language, navigator.language]}
      siteLocale={site.data?.locale ?? null}
      tz={site.data?.tz ?? 'UTC'}
    >
      <LiveProvider>{url.display === 'wall' ? <Outlet /> : <Framed />}</LiveProvider>
    </SpeechProvider>
  );
}

function Framed() {
  const { t } = useSpeech();
  const help = useShortcuts();
  return (
    <HelpContext value={help.open}>
      <a className="skip" href="#main">
        {t('skip')}
      </a>
      <Sign />
      <Outlet />
      <BottomBar />
      <Help dialog={help.dialog} />
      <StatusAnnouncer />
    </HelpContext>
  );
}
