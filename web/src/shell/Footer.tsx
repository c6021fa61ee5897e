/** The legend that says what the marks mean, and the way to the keyboard help. */
import { useSpeech } from '../speech';
import { useOpenHelp } from './help-context';

/** A mark is explained where it can be seen: "usual" only once the server knows what is usual. */
export function Footer({ usual }: { usual: boolean }) {
  const { t } = useSpeech();
  const openHelp = useOpenHelp();
  return (
    <footer className="foot">
      <ul className="legend" aria-label={t('howToRead')}>
        <li>
          <i className="key-line" aria-hidden="true" />
          {t('measured')}
        </li>
        {usual && (
          <li>
            <i className="key-line is-usual" aria-hidden="true" />
            {t('usualLegend')}
          </li>
        )}
        <li>
          <i className="key-line is-tail" aria-hidden="true" />
          {t('arrivingLegend')}
        </li>
        <li>
          <i className="key-hatch hatch" aria-hidden="true" />
          {t('notMeasured')}
        </li>
      </ul>
      <p className="foot-keys">
        <button className="link-button" type="button" onClick={openHelp}>
          {t('keyboardPress')} <kbd>?</kbd>
        </button>
      </p>
    </footer>
  );
}
