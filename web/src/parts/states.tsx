/**
 * The states a widget can be in besides loaded: failing, loading, broken. Each keeps the height of what
 * it stands for, so nothing on the page moves.
 */
import { Component, type ReactNode } from 'react';
import { ApiError } from '../api/problem';
import type { Translate } from '../i18n/catalogue';
import { useSpeech } from '../speech';

export interface FailedProps {
  /** What could not be shown, as a sentence. */
  what: string;
  /** What still works, as a sentence. */
  still: string;
  error: unknown;
  onRetry: () => void;
}

export function Failed({ what, still, error, onRetry }: FailedProps) {
  const { t } = useSpeech();
  const problem = error instanceof ApiError ? error.problem : null;
  return (
    <div className="failed" role="alert">
      <p>
        <b>{what}</b> {still}
      </p>
      <p className="sub">
        {causeOf(error, t)} {problem?.request_id && t('request', { id: problem.request_id })}
      </p>
      <button className="button" type="button" onClick={onRetry}>
        {t('retry')}
      </button>
    </div>
  );
}

/** The cause in words a reader can pass on: the server's own, unless there was no answer. */
export function causeOf(error: unknown, t: Translate): string {
  if (!(error instanceof ApiError)) return t('widgetBroke');
  const { status, component, detail, title } = error.problem;
  if (status === 0) return t('unreachable');
  if (component) return t('componentAway', { component: component[0]?.toUpperCase() + component.slice(1) });
  return detail ? `${title}: ${detail}` : title;
}

export interface NoticeProps {
  tone: 'note' | 'stale' | 'crit';
  tag: string;
  children: ReactNode;
}

export function Notice({ tone, tag, children }: NoticeProps) {
  return (
    <div className={`notice notice-${tone}`}>
      <span className="tag-word">{tag}</span>
      <p>{children}</p>
    </div>
  );
}

interface BoundaryProps {
  /** Shown instead of a widget whose drawing has thrown. */
  fallback: (error: unknown, reset: () => void) => ReactNode;
  children: ReactNode;
}

/** One failed widget never blanks the page. */
export class Boundary extends Component<BoundaryProps, { error: unknown }> {
  override state = { error: null as unknown };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override componentDidCatch(error: unknown): void {
    console.error(error);
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return this.props.fallback(this.state.error, () => this.setState({ error: null }));
  }
}
