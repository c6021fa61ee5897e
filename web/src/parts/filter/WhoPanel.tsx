/** Who: the traveler types that have been seen. None ticked means all. */
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { typesQuery } from '../../api/queries';
import { useSpeech } from '../../speech';
import { Failed } from '../states';
import type { PanelProps } from './FilterBar';

export default function WhoPanel({ search, apply }: PanelProps) {
  const { t } = useSpeech();
  const types = useQuery(typesQuery);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(search.type));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    apply({ type: chosen.size === 0 ? undefined : [...chosen] });
  };
  const toggle = (id: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };

  return (
    <form className="form" onSubmit={submit}>
      <fieldset className="options">
        <legend className="vh">{t('who')}</legend>
        {types.error ? (
          <Failed what={t('loadFailed')} still="" error={types.error} onRetry={() => void types.refetch()} />
        ) : types.data === undefined ? (
          <span className="sk sk-panel" />
        ) : types.data.length === 0 ? (
          <p className="sub">{t('noTypes')}</p>
        ) : (
          types.data.map((type) => (
            <label className="check" key={type.id}>
              <input
                type="checkbox"
                checked={chosen.has(type.id)}
                onChange={(event) => toggle(type.id, event.target.checked)}
              />
              {type.name}
            </label>
          ))
        )}
      </fieldset>
      <p className="form-end">
        <button className="link-button" type="button" onClick={() => apply({ type: undefined })}>
          {t('allTypes')}
        </button>
        <button className="button primary" type="submit">
          {chosen.size === 0 ? t('showAll') : t('showTypes', { n: chosen.size })}
        </button>
      </p>
    </form>
  );
}
