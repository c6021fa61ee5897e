/**
 * Needs attention: the sensors that have fallen silent. Rows do not move under the pointer or the focus;
 * what is new waits behind a button, and what has recovered says so until the reader has looked away.
 */
import { useState } from 'react';
import type { Overview, SilentSensor } from '../api/types';
import { useSpeech } from '../speech';
import { silentMs, zoneName } from './answer';
import { useSettledRows } from './useSettledRows';

const ROWS_SHOWN = 8;

export function Needs({ overview, now }: { overview: Overview; now: number }) {
  const { t } = useSpeech();
  const { rows, waiting, hold, show } = useSettledRows(overview.silent_sensors);
  const [all, setAll] = useState(false);
  const sensors = new Set(overview.zones.flatMap((zone) => zone.sensors)).size;
  if (rows.length === 0 && waiting === 0) {
    return (
      <p className="calm">
        {t('nothingNeeds')} <span className="sub">{sensors > 0 && t('sensorsReport', { n: sensors })}</span>
      </p>
    );
  }
  const silent = new Set(overview.silent_sensors.map((sensor) => sensor.id));
  const shown = all ? rows : rows.slice(0, ROWS_SHOWN);
  return (
    <>
      {waiting > 0 && (
        <p className="pager">
          <button className="button" type="button" onClick={show}>
            {t('showNew', { n: waiting })}
          </button>
          {t('rowsWait')}
        </p>
      )}
      <ul className="needs" {...hold}>
        {shown.map((sensor) => (
          <SilentRow
            key={sensor.id}
            sensor={sensor}
            overview={overview}
            now={now}
            back={!silent.has(sensor.id)}
          />
        ))}
      </ul>
      {shown.length < rows.length && (
        <p>
          <button className="link-button" type="button" onClick={() => setAll(true)}>
            {t('showAllSilent', { n: rows.length })}
          </button>
        </p>
      )}
    </>
  );
}

interface RowProps {
  sensor: SilentSensor;
  overview: Overview;
  now: number;
  back: boolean;
}

function SilentRow({ sensor, overview, now, back }: RowProps) {
  const { t, f } = useSpeech();
  const zone = overview.zones.find((candidate) => candidate.id === (sensor.zone ?? 'unassigned'));
  const name = zone ? zoneName(zone, t) : (sensor.zone ?? t('unassigned'));
  const seen = sensor.last_seen === null ? null : Date.parse(sensor.last_seen);
  const silence = silentMs(sensor, overview.as_of, now);
  return (
    <li>
      <time dateTime={sensor.last_seen ?? undefined}>{seen === null ? '–' : f.time(seen)}</time>
      <span className="needs-what">
        <b>{seen === null ? t('sensorNever') : t('sensorSilent')}</b>{' '}
        <span className="sub">
          {seen === null ? name : t('lastSeen', { zone: name, time: lastSeenText(seen, now, f) })}
        </span>
      </span>
      <span className="plate">{sensor.id}</span>
      <span className="needs-for">
        {back ? t('reportingAgain') : silence !== null && t('silentFor', { time: f.duration(silence) })}
      </span>
    </li>
  );
}

function lastSeenText(seen: number, now: number, f: ReturnType<typeof useSpeech>['f']): string {
  const day = f.dayTime(seen, now);
  return day === f.time(seen) ? f.clock(seen) : day;
}
