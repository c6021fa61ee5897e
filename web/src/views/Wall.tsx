/** `?display=wall`: the same answer for a screen across the hall. No controls, nothing to edit. */
import { useQuery } from '@tanstack/react-query';
import { siteQuery } from '../api/queries';
import { LedeText } from '../parts/AnswerText';
import { answerOf, zonesShown } from '../parts/answer';
import { Failed } from '../parts/states';
import { ZoneSkeleton, ZoneTable } from '../parts/ZoneTable';
import type { Search } from '../search';
import { StatusPill } from '../shell/StatusPill';
import { useSpeech } from '../speech';
import { useNow } from '../time/clock';
import { stamp } from '../time/range';
import { useToday } from './useToday';

export default function Wall({ search }: { search: Search }) {
  const speech = useSpeech();
  const { t, f } = speech;
  const site = useQuery(siteQuery).data;
  const { overview } = useToday(search);
  const tick = useNow(10_000);
  const minute = useNow(60_000);
  const now = overview.data ? Math.max(tick, Date.parse(overview.data.as_of)) : tick;
  const zones = overview.data && zonesShown(overview.data, search.sensor);
  const options = { narrowed: search.sensor !== undefined, types: search.type ?? [], now };
  const answer = overview.data && zones ? answerOf(overview.data, zones, options, speech) : null;
  return (
    <div className="wall">
      <title>{answer ? `${answer.headline} · Footfall` : 'Footfall'}</title>
      <main className="wall-in" id="main">
        <header className="wall-head">
          <p className="wall-site">{site?.name ?? ''}</p>
          <StatusPill />
          {site && (
            <p className="wall-clock">
              <time dateTime={stamp(minute, f.tz)}>{f.time(minute)}</time>
            </p>
          )}
        </header>
        <h1 className={answer?.figure ? 'wall-h1' : 'wall-h1 is-words'}>
          {answer?.figure ? (
            <>
              <span className="wall-n">{answer.figure.value}</span>{' '}
              <span className="wall-t">{answer.figure.words}</span>
            </>
          ) : (
            (answer?.headline ?? t('loadingAnswer'))
          )}
        </h1>
        <p className="wall-lede">{answer && <LedeText answer={answer} />}</p>
        {zones === undefined && overview.isError ? (
          <Failed
            what={t('answerFailed')}
            still=""
            error={overview.error}
            onRetry={() => void overview.refetch()}
          />
        ) : overview.data === undefined || zones === undefined ? (
          <ZoneSkeleton rows={5} />
        ) : (
          <ZoneTable zones={zones} asOf={overview.data.as_of} now={now} />
        )}
        <footer className="wall-foot">
          {site && (
            <p>
              {f.date(minute)}, {f.tz}
            </p>
          )}
          <p>
            <span className="hatch key-hatch" aria-hidden="true" /> {t('notMeasured')}
          </p>
        </footer>
      </main>
    </div>
  );
}
