/** Where: zones and their sensors, with a search for sites that have forty of them. None ticked means all. */
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { sensorsQuery, zonesQuery } from '../../api/queries';
import type { Sensor, Zone } from '../../api/types';
import { useSpeech } from '../../speech';
import { Failed } from '../states';
import type { PanelProps } from './FilterBar';

/** A zone with the sensors that match the search. */
interface Group {
  id: string;
  name: string;
  sensors: Sensor[];
}

export default function WherePanel({ search, apply }: PanelProps) {
  const { t } = useSpeech();
  const zones = useQuery(zonesQuery);
  const sensors = useQuery(sensorsQuery);
  const [words, setWords] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(search.sensor));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    apply({ sensor: chosen.size === 0 ? undefined : [...chosen] });
  };
  const toggle = (ids: string[], on: boolean) => {
    const next = new Set(chosen);
    for (const id of ids) on ? next.add(id) : next.delete(id);
    setChosen(next);
  };
  const failed = zones.error ?? sensors.error;
  const groups =
    zones.data && sensors.data ? groupsOf(zones.data, sensors.data, words, t('unassigned')) : null;

  return (
    <form className="form" onSubmit={submit}>
      <label className="field">
        {t('findPlace')}
        <input type="search" value={words} onChange={(event) => setWords(event.target.value)} />
      </label>
      <div className="options">
        {failed ? (
          <Failed
            what={t('loadFailed')}
            still=""
            error={failed}
            onRetry={() => void Promise.all([zones.refetch(), sensors.refetch()])}
          />
        ) : groups === null ? (
          <span className="sk sk-panel" />
        ) : groups.length === 0 ? (
          <p className="sub">{t('nothingFound')}</p>
        ) : (
          groups.map((group) => <GroupOptions key={group.id} group={group} chosen={chosen} toggle={toggle} />)
        )}
      </div>
      <p className="form-end">
        <button className="link-button" type="button" onClick={() => apply({ sensor: undefined })}>
          {t('allPlaces')}
        </button>
        <button className="button primary" type="submit">
          {chosen.size === 0 ? t('showAll') : t('showSensors', { n: chosen.size })}
        </button>
      </p>
    </form>
  );
}

interface GroupProps {
  group: Group;
  chosen: ReadonlySet<string>;
  toggle: (ids: string[], on: boolean) => void;
}

function GroupOptions({ group, chosen, toggle }: GroupProps) {
  const { t } = useSpeech();
  const ids = group.sensors.map((sensor) => sensor.id);
  const count = ids.filter((id) => chosen.has(id)).length;
  const silent = group.sensors.every((sensor) => sensor.state === 'offline' || sensor.state === 'unknown');
  const [only] = group.sensors;
  return (
    <fieldset className="option-group">
      <legend className="vh">{group.name}</legend>
      <label className="check">
        <input
          type="checkbox"
          checked={count === ids.length}
          ref={(box) => {
            if (box) box.indeterminate = count > 0 && count < ids.length;
          }}
          onChange={(event) => toggle(ids, event.target.checked)}
        />
        <span>
          {group.name} {ids.length === 1 && <span className="sub">{only?.id}</span>}
        </span>
        {silent && <span className="word word-stale">{t('noData')}</span>}
      </label>
      {ids.length > 1 &&
        group.sensors.map((sensor) => (
          <label className="check is-inner" key={sensor.id}>
            <input
              type="checkbox"
              checked={chosen.has(sensor.id)}
              onChange={(event) => toggle([sensor.id], event.target.checked)}
            />
            <span>
              {sensor.name} <span className="sub">{sensor.id !== sensor.name && sensor.id}</span>
            </span>
            {!silent && sensor.state === 'offline' && <span className="word word-stale">{t('noData')}</span>}
          </label>
        ))}
    </fieldset>
  );
}

/** Zones in the server's order, then the sensors that belong to none; a word found in a zone shows all of it. */
export function groupsOf(zones: Zone[], sensors: Sensor[], words: string, unassigned: string): Group[] {
  const wanted = words.trim().toLocaleLowerCase();
  const known = new Set(zones.map((zone) => zone.id));
  const all: Group[] = zones.map((zone) => ({
    id: zone.id,
    name: zone.name,
    sensors: sensors.filter((sensor) => sensor.zone === zone.id),
  }));
  const homeless = sensors.filter((sensor) => sensor.zone == null || !known.has(sensor.zone));
  all.push({ id: 'unassigned', name: unassigned, sensors: homeless });
  return all
    .map((group) => ({
      ...group,
      sensors: group.name.toLocaleLowerCase().includes(wanted)
        ? group.sensors
        : group.sensors.filter(({ id, name }) => `${id} ${name}`.toLocaleLowerCase().includes(wanted)),
    }))
    .filter((group) => group.sensors.length > 0);
}
