/** What a reader may choose for this machine: colours, language, single-key shortcuts. */
import { LANGUAGE_NAMES, LANGUAGES } from '../i18n/languages';
import { setPrefs, usePrefs } from '../prefs';
import { useSpeech } from '../speech';
import type { Theme } from '../theme';

export default function SettingsPanel() {
  const { t } = useSpeech();
  const prefs = usePrefs();
  const themes: [Theme, string][] = [
    ['system', t('themeSystem')],
    ['light', t('themeLight')],
    ['dark', t('themeDark')],
  ];
  return (
    <div className="form">
      <fieldset className="choice">
        <legend>{t('colours')}</legend>
        <div className="seg">
          {themes.map(([theme, name]) => (
            <button
              key={theme}
              type="button"
              aria-pressed={prefs.theme === theme}
              onClick={() => setPrefs({ theme })}
            >
              {name}
            </button>
          ))}
        </div>
      </fieldset>
      <label className="field">
        {t('language')}
        <select
          value={prefs.language ?? ''}
          onChange={(event) => {
            const language = LANGUAGES.find((known) => known === event.target.value) ?? null;
            setPrefs({ language });
          }}
        >
          <option value="">{t('themeSystem')}</option>
          {LANGUAGES.filter((language) => import.meta.env.DEV || language !== 'en-XA').map((language) => (
            <option key={language} value={language}>
              {LANGUAGE_NAMES[language]}
            </option>
          ))}
        </select>
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={prefs.shortcuts}
          onChange={(event) => setPrefs({ shortcuts: event.target.checked })}
        />
        {t('shortcutsOn')}
      </label>
    </div>
  );
}
