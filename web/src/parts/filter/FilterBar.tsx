/**
 * Where, Who, When, Per: four buttons that say what is shown and open a panel to change it. What they
 * change is the URL, so Back undoes it. Beside them the ways out: fixed times, CSV, paper.
 */
import { lazy } from 'react';
import type { OverviewZone, Series, Site } from '../../api/types';
import { useSetUrl } from '../../router';
import { effective, type Search } from '../../search';
import { FILTER_BUTTON_ID } from '../../shell/useShortcuts';
import { useSpeech } from '../../speech';
import { now } from '../../time/clock';
import { isRelative, resolve, stamp } from '../../time/range';
import { Popover } from '../Popover';
import { perText, whenText, whereText, whoText } from './describe';

const WherePanel = lazy(() => import('./WherePanel'));
const WhoPanel = lazy(() => import('./WhoPanel'));
const WhenPanel = lazy(() => import('./WhenPanel'));
const PerPanel = lazy(() => import('./PerPanel'));

export interface FilterBarProps {
  search: Search;
  zones: OverviewZone[];
  site: Site | undefined;
  series: Series | undefined;
}

/** What every panel of the bar is given. */
export interface PanelProps {
  search: Search;
  /** Changes the URL and closes the panel. */
  apply: (change: Partial<Search>) => void;
}

export function FilterBar({ search, zones, site, series }: FilterBarProps) {
  const speech = useSpeech();
  const { t, f } = speech;
  const setUrl = useSetUrl();
  const { start, end } = effective(search);

  const panel = (close: () => void): PanelProps => ({
    search,
    apply: (change) => {
      setUrl(change);
      close();
    },
  });
  const pin = () => {
    const at = now();
    setUrl({ start: stamp(resolve(start, at, f.tz), f.tz), end: stamp(resolve(end, at, f.tz), f.tz) });
  };
  const saveCsv = async () => {
    if (series === undefined) return;
    const { downloadCsv } = await import('../../csv');
    downloadCsv(series, { site: site?.id ?? 'site', search, tz: f.tz });
  };

  return (
    <div className="tools">
      <fieldset className="query" aria-label={t('filter')}>
        <Popover
          button={<Part name={t('where')} value={whereText(search.sensor, zones, speech)} />}
          buttonClass={partClass(search.sensor !== undefined)}
          buttonId={FILTER_BUTTON_ID}
          title={t('where')}
        >
          {(close) => <WherePanel {...panel(close)} />}
        </Popover>
        <Popover
          button={<Part name={t('who')} value={whoText(search.type, speech)} />}
          buttonClass={partClass(search.type !== undefined)}
          title={t('who')}
        >
          {(close) => <WhoPanel {...panel(close)} />}
        </Popover>
        <Popover
          button={<Part name={t('when')} value={whenText(search, now(), speech)} />}
          buttonClass={partClass(search.start !== undefined || search.end !== undefined)}
          title={t('when')}
        >
          {(close) => <WhenPanel {...panel(close)} />}
        </Popover>
        <Popover
          button={<Part name={t('per')} value={perText(search, speech)} />}
          buttonClass={partClass(search.window !== undefined || search.step !== undefined)}
          title={t('per')}
        >
          {(close) => <PerPanel {...panel(close)} />}
        </Popover>
      </fieldset>
      <div className="actions">
        {(isRelative(start) || isRelative(end)) && (
          <button className="link-button" type="button" onClick={pin}>
            {t('pinTimes')}
          </button>
        )}
        <button
          className="link-button"
          type="button"
          disabled={series === undefined}
          onClick={() => void saveCsv()}
        >
          {t('csv')}
          <span className="vh">{t('csvLong')}</span>
        </button>
        <button className="link-button" type="button" onClick={() => window.print()}>
          {t('print')}
        </button>
      </div>
    </div>
  );
}

function Part({ name, value }: { name: string; value: string }) {
  return (
    <>
      <span className="query-key">{name}</span> <span className="query-val">{value}</span>
    </>
  );
}

function partClass(set: boolean): string {
  return set ? 'query-part is-set' : 'query-part';
}
