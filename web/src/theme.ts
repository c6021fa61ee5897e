/**
 * Light, dark or as the system has it. `data-theme` on the root overrides the system; the tokens are
 * `light-dark()` pairs and follow. Canvases do not follow by themselves, so they are told.
 */

export type Theme = 'system' | 'light' | 'dark';

export function applyTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
}

/** Calls back after every change of colours, until the returned function is called. */
export function onColoursChanged(changed: () => void): () => void {
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme', 'data-paper'] });
  system.addEventListener('change', changed);
  return () => {
    observer.disconnect();
    system.removeEventListener('change', changed);
  };
}

/**
 * Paper is always light. Print rules come too late for a canvas, so the root is marked before the browser
 * lays the page out for printing; `onPaper` lets a table unfold at the same moment.
 */
export function preparePaper(): () => void {
  const before = () => {
    document.documentElement.dataset.paper = '';
  };
  const after = () => {
    delete document.documentElement.dataset.paper;
  };
  window.addEventListener('beforeprint', before);
  window.addEventListener('afterprint', after);
  return () => {
    window.removeEventListener('beforeprint', before);
    window.removeEventListener('afterprint', after);
  };
}
