/** Per: over how long people are counted, and how far apart the points are. */
import { type FormEvent, useState } from 'react';
import { effective } from '../../search';
import { useSpeech } from '../../speech';
import { parseDuration } from '../../time/range';
import type { PanelProps } from './FilterBar';

/** All multiples of the server's ten-second panes. */
const CHOICES = ['10s', '30s', '60s', '5m', '10m', '15m', '30m', '1h'] as const;

export default function PerPanel({ search, apply }: PanelProps) {
  const { t } = useSpeech();
  const asked = effective(search);
  const [window, setWindow] = useState<string>(asked.window);
  const [step, setStep] = useState<string>(asked.step);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    apply({ window, step });
  };

  return (
    <form className="form" onSubmit={submit}>
      <Choice
        name={t('countOver')}
        value={window}
        onChange={(chosen) => {
          // a step longer than the window would leave people uncounted between the points
          if (window === step || (parseDuration(step) ?? 0) > (parseDuration(chosen) ?? 0)) setStep(chosen);
          setWindow(chosen);
        }}
      />
      <Choice name={t('onePointEvery')} value={step} onChange={setStep} upTo={window} />
      <p className="sub">{t('perHint')}</p>
      <p className="form-end">
        <button className="button primary" type="submit">
          {t('show')}
        </button>
      </p>
    </form>
  );
}

interface ChoiceProps {
  name: string;
  value: string;
  upTo?: string;
  onChange: (value: string) => void;
}

function Choice({ name, value, upTo, onChange }: ChoiceProps) {
  const { f } = useSpeech();
  const limit = upTo === undefined ? Number.POSITIVE_INFINITY : (parseDuration(upTo) ?? 0);
  const choices: string[] = CHOICES.filter((choice) => (parseDuration(choice) ?? 0) <= limit);
  // what the URL asks for stays choosable, also when it is not among the usual ones
  if (!choices.includes(value)) choices.push(value);
  return (
    <label className="field">
      {name}
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {f.duration(parseDuration(choice) ?? 0)}
          </option>
        ))}
      </select>
    </label>
  );
}
