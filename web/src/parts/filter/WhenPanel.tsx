/** When: the ranges people ask for, or two times of the site's clock. */
import { type FormEvent, useId, useState } from 'react';
import { effective, type Search } from '../../search';
import { useSpeech } from '../../speech';
import { now } from '../../time/clock';
import { fromWallTime, localDate, resolve, stamp, startOfDay, toWallTime, zoned } from '../../time/range';
import type { PanelProps } from './FilterBar';

export default function WhenPanel({ search, apply }: PanelProps) {
  const { t, f } = useSpeech();
  const id = useId();
  const { start, end } = effective(search);
  const at = now();
  const [from, setFrom] = useState(() => toWallTime(resolve(start, at, f.tz), f.tz));
  const [to, setTo] = useState(() => toWallTime(resolve(end, at, f.tz), f.tz));
  const [touched, setTouched] = useState(false);

  const yesterday = zoned(at, f.tz).toPlainDate().subtract({ days: 1 }).toString();
  const presets: [string, Pick<Search, 'start' | 'end'>][] = [
    [t('todayToNow'), { start: undefined, end: undefined }],
    [t('lastHour'), { start: 'now-1h', end: undefined }],
    [t('last24Hours'), { start: 'now-24h', end: undefined }],
    [t('yesterday'), { start: yesterday, end: localDate(startOfDay(at, f.tz), f.tz) }],
    [t('thisWeek'), { start: 'week', end: undefined }],
  ];
  const first = fromWallTime(from, f.tz);
  const last = fromWallTime(to, f.tz);
  const errors = {
    from: first === null ? t('notATime') : null,
    to:
      last === null
        ? t('notATime')
        : first !== null && last <= first
          ? t('endBeforeStart', { time: f.dayTime(first, at) })
          : last > at + 60_000
            ? t('endInFuture')
            : null,
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTouched(true);
    if (first === null || last === null || errors.from || errors.to) return;
    apply({ start: stamp(first, f.tz), end: stamp(last, f.tz) });
  };

  return (
    <form className="form" onSubmit={submit} noValidate>
      <ul className="presets">
        {presets.map(([name, words]) => (
          <li key={name}>
            <button
              className="link-button"
              type="button"
              aria-pressed={search.start === words.start && search.end === words.end}
              onClick={() => apply(words)}
            >
              {name}
            </button>
          </li>
        ))}
      </ul>
      <p className="sub">{t('timesAt', { zone: f.tz })}</p>
      <TimeField
        id={`${id}-from`}
        name={t('start')}
        value={from}
        error={touched ? errors.from : null}
        onChange={setFrom}
      />
      <TimeField
        id={`${id}-to`}
        name={t('end')}
        value={to}
        error={touched ? errors.to : null}
        onChange={setTo}
      />
      <p className="form-end">
        <button className="button primary" type="submit">
          {t('show')}
        </button>
      </p>
    </form>
  );
}

interface TimeFieldProps {
  id: string;
  name: string;
  value: string;
  error: string | null;
  onChange: (value: string) => void;
}

function TimeField({ id, name, value, error, onChange }: TimeFieldProps) {
  return (
    <div className="field">
      <label htmlFor={id}>{name}</label>
      <input
        id={id}
        type="datetime-local"
        value={value}
        onChange={(event) => onChange(event.target.value)}
        aria-invalid={error !== null || undefined}
        aria-describedby={error === null ? undefined : `${id}-error`}
      />
      {error !== null && (
        <span className="err" id={`${id}-error`} role="alert">
          {error}
        </span>
      )}
    </div>
  );
}
