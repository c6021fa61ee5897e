/** The two pages for when there is no page: a wrong address, and a fault in the dashboard itself. */
import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { useSpeech } from '../speech';

export function NotFound() {
  const { t } = useSpeech();
  return (
    <main id="main">
      <h1>{t('notFound')}</h1>
      <p className="lede">
        <Link to="/">{t('goToday')}</Link>
      </p>
    </main>
  );
}

export function PageFailed({ error }: ErrorComponentProps) {
  const { t } = useSpeech();
  console.error(error);
  return (
    <main id="main">
      <h1>{t('pageFailed')}</h1>
      <p>
        <button className="button" type="button" onClick={() => window.location.reload()}>
          {t('reload')}
        </button>
      </p>
    </main>
  );
}
