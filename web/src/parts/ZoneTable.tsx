/**
 * Where people are now: one row a zone, one capacity line through all of them. A zone whose sensors are
 * silent keeps its last value, greyed and dated, over a hatched bar: it is never blank and never zero.
 */
import type { ReactNode } from 'react';
import type { OverviewZone } from '../api/types';
import { useSpeech } from '../speech';
import { silentMs, zoneName } from './answer';

/** Bars reach 120 % of capacity, so that too many people can be seen to be too many. */
const BAR_SHARE_MAX = 1.2;

/** What is usual for a zone, should the server know it. */
function usualOf(zone: OverviewZone): number | null {
  return (zone as { typical?: number | null }).typical ?? null;
}

export interface ZoneTableProps {
  zones: OverviewZone[];
  /** When the zones were as they are. */
  asOf: string;
  now: number;
}

export function ZoneTable({ zones, asOf, now }: ZoneTableProps) {
  const { t } = useSpeech();
  const usual = zones.some((zone) => usualOf(zone) !== null);
  const capacity = zones.some((zone) => zone.capacity !== null);
  // roles are spelled out because the phone's layout takes the table's display away
  return (
    // biome-ignore-start lint/a11y/noRedundantRoles: display: grid on a phone removes the implicit ones
    <table className={capacity ? 'zones' : 'zones no-capacity'} role="table" aria-label={t('whereNow')}>
      <thead role="rowgroup">
        <tr role="row">
          <Head>{t('zone')}</Head>
          <Head className="z-bar">
            <span className="cap-head">{t('capacity')}</span>
            <span className="vh">{t('capacityShare')}</span>
          </Head>
          <Head className="num">{t('nowColumn')}</Head>
          <Head className="num z-of">{t('of')}</Head>
          <Head className="num">{t('share')}</Head>
          {usual && <Head className="num z-usual">{t('usual')}</Head>}
          <Head className="z-state">{t('state')}</Head>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {zones.map((zone) => (
          <ZoneRow key={zone.id} zone={zone} asOf={asOf} now={now} usual={usual} />
        ))}
      </tbody>
    </table>
    // biome-ignore-end lint/a11y/noRedundantRoles: see above
  );
}

function Head({ className, children }: { className?: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noRedundantRoles: display: grid on a phone removes the implicit one
    <th role="columnheader" scope="col" className={className}>
      {children}
    </th>
  );
}

interface CellProps {
  className: string;
  /** Said before the value where the column heads are not seen. */
  word?: string;
  children?: ReactNode;
}

function Cell({ className, word, children }: CellProps) {
  return (
    // biome-ignore lint/a11y/noRedundantRoles: display: grid on a phone removes the implicit one
    <td role="cell" className={className} data-word={word}>
      {children}
    </td>
  );
}

interface RowProps {
  zone: OverviewZone;
  asOf: string;
  now: number;
  usual: boolean;
}

function ZoneRow({ zone, asOf, now, usual }: RowProps) {
  const { t, f } = useSpeech();
  const silent = zone.state === 'no_data';
  const never = silent && zone.seen === null;
  const old = silent ? ' old' : '';
  const typical = usualOf(zone);
  return (
    // biome-ignore lint/a11y/noRedundantRoles: display: grid on a phone removes the implicit one
    <tr role="row" className={silent ? 'z-none' : undefined} data-zone={zone.id}>
      {/* biome-ignore lint/a11y/noRedundantRoles: display: grid on a phone removes the implicit one */}
      <th role="rowheader" scope="row">
        {zoneName(zone, t)}
      </th>
      <Cell className="z-bar">
        <Bar zone={zone} typical={typical} />
      </Cell>
      <Cell className={`num z-now${old}`}>{never ? '–' : f.count(zone.n)}</Cell>
      <Cell className="num z-of" word={t('of').toLocaleLowerCase(f.locale)}>
        {zone.capacity === null ? '' : f.count(zone.capacity)}
      </Cell>
      <Cell className={`num z-share${old}`}>{zone.share === null || never ? '' : f.percent(zone.share)}</Cell>
      {usual && <Cell className="num z-usual">{typical === null ? '' : f.count(typical)}</Cell>}
      <Cell className="z-state">
        <ZoneState zone={zone} asOf={asOf} now={now} />
      </Cell>
    </tr>
  );
}

function Bar({ zone, typical }: { zone: OverviewZone; typical: number | null }) {
  const { t } = useSpeech();
  if (zone.state === 'no_data') {
    return (
      <span className="cap">
        <span className={zone.capacity === null ? 'cap-none is-full hatch' : 'cap-none hatch'} />
      </span>
    );
  }
  if (zone.capacity === null) return <span className="sub">{t('noCapacity')}</span>;
  const share = zone.capacity > 0 ? zone.n / zone.capacity : 0;
  const percent = (of: number) => `${(100 * Math.min(of, BAR_SHARE_MAX)) / BAR_SHARE_MAX}%`;
  return (
    <span className="cap">
      <span className="cap-fill" style={{ width: percent(Math.min(share, 1)) }} />
      {share > 1 && (
        <span
          className="cap-over"
          style={{ left: percent(1), width: percent(Math.min(share, BAR_SHARE_MAX) - 1) }}
        />
      )}
      {typical !== null && zone.capacity > 0 && (
        <span className="cap-usual" style={{ left: percent(typical / zone.capacity) }} />
      )}
    </span>
  );
}

/** The state in words: colour is never the only carrier. */
function ZoneState({ zone, asOf, now }: Omit<RowProps, 'usual'>) {
  const { t, f } = useSpeech();
  switch (zone.state) {
    case 'busy':
      return <span className="word word-warn">{t('busy')}</span>;
    case 'over':
      return <span className="word word-crit">{t('overCapacity')}</span>;
    case 'no_data': {
      const silence = silentMs(zone, asOf, now);
      if (zone.seen === null || silence === null)
        return <span className="word word-stale">{t('neverReported')}</span>;
      return (
        <>
          <span className="word word-stale">{t('noDataFor', { time: f.duration(silence) })}</span>{' '}
          <span className="asof">{t('asOf', { time: f.dayTime(Date.parse(zone.seen), now) })}</span>
        </>
      );
    }
    default:
      return null;
  }
}

/** As tall as the table it stands for. */
export function ZoneSkeleton({ rows }: { rows: number }) {
  return (
    <div className="zones-sk" aria-hidden="true">
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: grey rows have no identity
        <span key={i} className="sk" />
      ))}
    </div>
  );
}
