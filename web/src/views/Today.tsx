/** Today: is anything wrong, and how busy are we? Fetches, and hands the answers to parts that draw. */
import { lazy, Suspense, useMemo } from 'react';
import type { Overview, Series } from '../api/types';
import { useStatus } from '../live/context';
import { AnswerText } from '../parts/AnswerText';
import { answerOf, isEmpty, zonesShown } from '../parts/answer';
import { ChartFigure } from '../parts/ChartFigure';
import { FilterBar } from '../parts/filter/FilterBar';
import { Needs } from '../parts/Needs';
import { PrintHead } from '../parts/PrintHead';
import { Boundary, Failed, Notice } from '../parts/states';
import { ZoneSkeleton, ZoneTable } from '../parts/ZoneTable';
import { useUrl } from '../router';
import { effective, type Search } from '../search';
import { Footer } from '../shell/Footer';
import { useSpeech } from '../speech';
import { useNow } from '../time/clock';
import { parseDuration, resolve } from '../time/range';
import { frameOf } from './frame';
import { entriesPicture, speedPicture } from './pictures';
import { useToday } from './useToday';

const Wall = lazy(() => import('./Wall'));
const Empty = lazy(() => import('../parts/Empty'));

/** Ages on the page are told to the second only below a minute; ten seconds is calm enough. */
const AGE_GRAIN_MS = 10_000;
const SKELETON_ROWS = 5;

export default function Today() {
  const url = useUrl();
  return <Suspense>{url.display === 'wall' ? <Wall search={url} /> : <TodayPage search={url} />}</Suspense>;
}

function TodayPage({ search }: { search: Search }) {
  const speech = useSpeech();
  const { t, f } = speech;
  const tick = useNow(AGE_GRAIN_MS);
  const { site, overview, series, asked, follows } = useToday(search);
  // never older than the data themselves
  const now = overview.data ? Math.max(tick, Date.parse(overview.data.as_of)) : tick;
  const zones = overview.data && zonesShown(overview.data, search.sensor);
  const empty = overview.data !== undefined && isEmpty(overview.data);
  const options = { narrowed: search.sensor !== undefined, types: search.type ?? [], now };
  const answer = overview.data && zones ? answerOf(overview.data, zones, options, speech) : null;

  return (
    <>
      <main id="main" tabIndex={-1}>
        <title>{answer ? `${answer.headline} · Footfall` : 'Footfall'}</title>
        <PrintHead search={search} site={site.data} zones={overview.data?.zones ?? []} />
        <div className="answer">
          <AnswerText answer={answer} failed={overview.isError && !overview.data} />
          {!empty && (
            <FilterBar
              search={search}
              zones={overview.data?.zones ?? []}
              site={site.data}
              series={series.data}
            />
          )}
        </div>
        {site.isError && (
          <Notice tone="crit" tag={t('error')}>
            {t('siteFailed')}{' '}
            <button className="button" type="button" onClick={() => void site.refetch()}>
              {t('retry')}
            </button>
          </Notice>
        )}
        <Notices site={site.data?.tz} series={series.data} overview={overview.data} search={search} />
        {empty && <Empty site={site.data} />}
        {!(empty && zones?.length === 0) && (
          <section className="block" aria-labelledby="h-zones">
            <div className="fig-head">
              <h2 id="h-zones">{t('whereNow')}</h2>
              <Freshness overview={overview.data} />
            </div>
            <Boundary
              fallback={(error, reset) => (
                <Failed what={t('zonesFailed')} still={t('restWorks')} error={error} onRetry={reset} />
              )}
            >
              {overview.isError && !overview.data ? (
                <Failed
                  what={t('zonesFailed')}
                  still={t('historyWorks')}
                  error={overview.error}
                  onRetry={() => void overview.refetch()}
                />
              ) : overview.data === undefined || zones === undefined ? (
                <ZoneSkeleton rows={SKELETON_ROWS} />
              ) : zones.length === 0 ? (
                <p className="calm">{t('noZoneChosen')}</p>
              ) : (
                <ZoneTable zones={zones} asOf={overview.data.as_of} now={now} />
              )}
            </Boundary>
          </section>
        )}
        {!empty && (
          <Charts
            series={series.data}
            error={series.isError && !series.data ? series.error : null}
            onRetry={() => void series.refetch()}
            follows={follows}
            trims={asked.start === 'today'}
          />
        )}
        {!empty && (
          <section className="block" aria-labelledby="h-needs">
            <div className="fig-head">
              <h2 id="h-needs">{t('needsAttention')}</h2>
            </div>
            <Boundary
              fallback={(error, reset) => (
                <Failed what={t('needsFailed')} still={t('restWorks')} error={error} onRetry={reset} />
              )}
            >
              {overview.data ? (
                <Needs overview={overview.data} now={now} />
              ) : overview.isError ? (
                <Failed
                  what={t('needsFailed')}
                  still={t('restWorks')}
                  error={overview.error}
                  onRetry={() => void overview.refetch()}
                />
              ) : (
                <ZoneSkeleton rows={1} />
              )}
            </Boundary>
          </section>
        )}
      </main>
      <Footer usual={overview.data?.typical != null} />
      <p className="print-only printed">
        {site.data &&
          t('printedAt', { site: site.data.name, time: `${f.date(now)} ${f.time(now)}`, zone: f.tz })}
      </p>
    </>
  );
}

interface ChartsProps {
  series: Series | undefined;
  error: unknown;
  onRetry: () => void;
  follows: boolean;
  trims: boolean;
}

/** Both charts from one answer and on one axis of time. */
function Charts({ series, error, onRetry, follows, trims }: ChartsProps) {
  const speech = useSpeech();
  const { t } = speech;
  const pictures = useMemo(() => {
    const frame = series && frameOf(series, { follows, trims }, speech);
    return frame ? { entries: entriesPicture(frame, speech), speed: speedPicture(frame, speech) } : null;
  }, [series, follows, trims, speech]);
  const nothing = series !== undefined && pictures === null;
  const shared = { error, onRetry, nothing };
  return (
    <div className="pair">
      <ChartFigure
        id="entries"
        title={t('entriesPerMinute')}
        picture={pictures?.entries ?? null}
        {...shared}
      />
      <ChartFigure id="speed" title={t('walkingSpeed')} picture={pictures?.speed ?? null} {...shared} />
    </div>
  );
}

/** How old the values are, said only when they are not live. */
function Freshness({ overview }: { overview: Overview | undefined }) {
  const { t, f } = useSpeech();
  const { kind } = useStatus();
  const usual = overview?.typical != null;
  const old = overview !== undefined && kind !== 'live' && kind !== 'connecting';
  return (
    <p className="aside">
      {old && <span className="stale-text">{t('asOf', { time: f.clock(Date.parse(overview.as_of)) })}</span>}
      {usual && (
        <>
          <span className="key-usual" aria-hidden="true" /> {t('usualNow')}
        </>
      )}
    </p>
  );
}

interface NoticesProps {
  site: string | undefined;
  series: Series | undefined;
  overview: Overview | undefined;
  search: Search;
}

/** Lines that say what is not as the reader may think. */
function Notices({ site, series, overview, search }: NoticesProps) {
  const { t, f } = useSpeech();
  const browser = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const askedMs = parseDuration(effective(search).step) ?? 0;
  const givenMs = series === undefined ? askedMs : series.step_s * 1_000;
  return (
    <div className="notices">
      {site !== undefined && !sameClock(browser, site) && (
        <Notice tone="note" tag={t('note')}>
          {t('browserZone', { browser, site })}
        </Notice>
      )}
      {givenMs > askedMs && (
        <Notice tone="note" tag={t('note')}>
          {t('coarser', { asked: f.duration(askedMs), given: f.duration(givenMs) })}
        </Notice>
      )}
      {overview?.stale && (
        <Notice tone="stale" tag={t('stale')}>
          {t('staleServer', { time: f.clock(Date.parse(overview.as_of)) })}
        </Notice>
      )}
    </div>
  );
}

/** Two names of one clock, such as Europe/London and Europe/Belfast, are not worth a line. */
function sameClock(a: string, b: string): boolean {
  const at = resolve('now', Date.now(), b);
  const print = (zone: string) => new Date(at).toLocaleString('en-GB', { timeZone: zone });
  try {
    return a === b || print(a) === print(b);
  } catch {
    return false;
  }
}
