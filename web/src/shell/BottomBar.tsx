/** On a phone: the page, and what the sign band has no room for. Other pages join it when they exist. */
import { Link } from '@tanstack/react-router';
import { lazy } from 'react';
import { Popover } from '../parts/Popover';
import { useSpeech } from '../speech';
import { PauseButton } from './Sign';

const SettingsPanel = lazy(() => import('./SettingsPanel'));

export function BottomBar() {
  const { t } = useSpeech();
  return (
    <nav className="bar" aria-label={t('pages')}>
      <ul>
        <li>
          <Link to="/" activeProps={{ 'aria-current': 'page' }}>
            {t('today')}
          </Link>
        </li>
        <li>
          <PauseButton className="bar-button" />
        </li>
        <li>
          <Popover button={t('moreSettings')} buttonClass="bar-button" title={t('settings')} side="above">
            {() => <SettingsPanel />}
          </Popover>
        </li>
      </ul>
    </nav>
  );
}
