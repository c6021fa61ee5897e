/**
 * A figure named by its heading: the chart, or the same windows as a table, and the sentence that sums it
 * up. Loading, failing and loaded are equally tall.
 */
import { type KeyboardEvent, lazy, Suspense, useState } from 'react';
import type { Picture } from '../chart/picture';
import { TimeChart } from '../chart/TimeChart';
import { getPrefs } from '../prefs';
import { useSpeech } from '../speech';
import { Boundary, Failed } from './states';

const ChartTable = lazy(() => import('../chart/ChartTable'));

export interface ChartFigureProps {
  id: string;
  /** The heading while there is no picture yet. */
  title: string;
  picture: Picture | null;
  error: unknown;
  onRetry: () => void;
  /** The server answered, and its answer holds no window. */
  nothing: boolean;
}

export function ChartFigure({ id, title, picture, error, onRetry, nothing }: ChartFigureProps) {
  const { t } = useSpeech();
  const [table, setTable] = useState(false);
  // chart and table replace each other: the one that comes takes the focus of the one that went
  const [takesFocus, setTakesFocus] = useState(false);
  const heading = picture?.title ?? title;

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 't' || event.ctrlKey || event.metaKey || event.altKey || !getPrefs().shortcuts) return;
    if (picture === null) return;
    event.preventDefault();
    setTakesFocus(!(event.target instanceof HTMLButtonElement));
    setTable((shown) => !shown);
  };
  const onToggle = () => {
    setTakesFocus(false);
    setTable((shown) => !shown);
  };

  return (
    <figure className="block" aria-labelledby={`h-${id}`} onKeyDown={onKeyDown}>
      <div className="fig-head">
        <h2 id={`h-${id}`}>{heading}</h2>
        {picture !== null && (
          <button className="link-button table-toggle" type="button" aria-pressed={table} onClick={onToggle}>
            {t('table')}
            <span className="vh">{t('tableOf', { title: heading })}</span>
          </button>
        )}
      </div>
      <Boundary
        fallback={(fault, reset) => (
          <Failed what={t('chartFailed')} still={t('restWorks')} error={fault} onRetry={reset} />
        )}
      >
        {error != null ? (
          <div className="chart-slot">
            <Failed what={t('chartFailed')} still={t('liveWorks')} error={error} onRetry={onRetry} />
          </div>
        ) : nothing ? (
          <div className="chart-slot">
            <p>{t('captionNothing')}</p>
          </div>
        ) : picture === null ? (
          <ChartSkeleton label={t('loadingChart', { title: heading })} />
        ) : table ? (
          <Suspense fallback={<ChartSkeleton label={t('loadingChart', { title: heading })} />}>
            <ChartTable picture={picture} takesFocus={takesFocus} />
          </Suspense>
        ) : (
          <TimeChart picture={picture} takesFocus={takesFocus} />
        )}
      </Boundary>
      <figcaption>{picture?.caption ?? ' '}</figcaption>
    </figure>
  );
}

function ChartSkeleton({ label }: { label: string }) {
  return (
    <div className="chart" role="img" aria-label={label}>
      <div className="plot sk" />
    </div>
  );
}
