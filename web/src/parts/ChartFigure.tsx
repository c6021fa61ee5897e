/**
 * A figure named by its heading: the chart, or the same windows as a table, and the sentence that sums it
 * up. Loading, failing and loaded are equally tall.
 */
import { type KeyboardEvent, lazy, Suspense, useEffect, useRef, useState } from 'react';
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
  const figure = useRef<HTMLElement>(null);
  const [table, setTable] = useState(false);
  const [byKey, setByKey] = useState(0);
  const heading = picture?.title ?? title;

  // the element that had the focus is gone: its successor takes it
  useEffect(() => {
    if (byKey > 0) figure.current?.querySelector<HTMLElement>('.chart, .scroll')?.focus();
  }, [byKey]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 't' || event.ctrlKey || event.metaKey || event.altKey || !getPrefs().shortcuts) return;
    if (picture === null) return;
    event.preventDefault();
    setTable((shown) => !shown);
    const onButton = event.target instanceof HTMLButtonElement;
    if (!onButton) setByKey((count) => count + 1);
  };

  return (
    <figure className="block" aria-labelledby={`h-${id}`} ref={figure} onKeyDown={onKeyDown}>
      <div className="fig-head">
        <h2 id={`h-${id}`}>{heading}</h2>
        {picture !== null && (
          <button
            className="link-button table-toggle"
            type="button"
            aria-pressed={table}
            onClick={() => setTable((shown) => !shown)}
          >
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
            <ChartTable picture={picture} />
          </Suspense>
        ) : (
          <TimeChart picture={picture} />
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
