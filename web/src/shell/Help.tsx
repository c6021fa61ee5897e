/** The keyboard help: a native modal dialog, so focus is held and given back by the browser. */
import { Fragment, type RefObject } from 'react';
import { usePrefs } from '../prefs';
import { useSpeech } from '../speech';

export function Help({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  const { t } = useSpeech();
  const { shortcuts } = usePrefs();
  const keys: [string[], string, string][] = [
    [['/'], '', t('keyFilter')],
    [['.'], '', t('keyNow')],
    [['p'], '', t('keyPause')],
    [['t'], '', t('keyTable')],
    [['['], '', t('keyPrevious')],
    [[']'], '', t('keyNext')],
    [['g', 't'], t('keyThen'), t('keyToday')],
    [['?'], '', t('keyHelp')],
    [['←', '→'], t('keyOr'), t('keyArrows')],
    [['↑', '↓'], t('keyOr'), t('keyUpDown')],
    [['Home', 'End'], t('keyOr'), t('keyHomeEnd')],
  ];
  return (
    <dialog ref={dialog} aria-labelledby="h-keys">
      <h2 id="h-keys">{t('keyboard')}</h2>
      {!shortcuts && <p className="sub">{t('shortcutsOff')}</p>}
      <dl className="keys">
        {keys.map(([pressed, join, does]) => (
          <div key={does}>
            <dt>
              {pressed.map((key, i) => (
                <Fragment key={key}>
                  {i > 0 && ` ${join} `}
                  <kbd>{key}</kbd>
                </Fragment>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog" className="form-end">
        <button className="button primary" type="submit">
          {t('close')}
        </button>
      </form>
    </dialog>
  );
}
