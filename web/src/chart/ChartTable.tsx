/**
 * The same windows as a real table, 25 rows a page, the latest first on the screen's last page. On paper
 * every row is printed.
 */
import { useRef, useState, useSyncExternalStore } from 'react';
import { useTakeFocus } from '../parts/useTakeFocus';
import { useSpeech } from '../speech';
import { isMeasured } from './model';
import type { Picture } from './picture';

export const ROWS_PER_PAGE = 25;

export default function ChartTable({ picture, takesFocus }: { picture: Picture; takesFocus: boolean }) {
  const { t } = useSpeech();
  const { windows, table, title } = picture;
  const total = windows.ends.length;
  const lastPage = Math.max(0, Math.ceil(total / ROWS_PER_PAGE) - 1);
  // null stays on the newest page while windows are added
  const [page, setPage] = useState<number | null>(null);
  const region = useRef<HTMLElement>(null);
  useTakeFocus(region, takesFocus);
  const paper = useSyncExternalStore(watchPaper, isPaper);
  const current = Math.min(page ?? lastPage, lastPage);
  const from = paper ? 0 : current * ROWS_PER_PAGE;
  const to = paper ? total : Math.min(from + ROWS_PER_PAGE, total);
  const rows = Array.from({ length: to - from }, (_, i) => from + i);
  const [head, ...columns] = table;

  return (
    <div className="chart-table">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table scrolls inside and must be reachable by keyboard */}
      <section className="scroll" aria-label={title} tabIndex={0} ref={region}>
        <table className="data">
          <thead>
            <tr>
              {table.map((column) => (
                <th key={column.head} scope="col" className={column.number ? 'num' : undefined}>
                  {column.head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((i) => (
              <tr key={windows.ends[i]}>
                <th scope="row">{head?.cell(i)}</th>
                {columns.map((column) => (
                  <td key={column.head} className={cellClass(column.number, isMeasured(windows, i))}>
                    {column.cell(i)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p className="pager no-print">
        <button
          className="button"
          type="button"
          disabled={current === 0}
          onClick={() => setPage(current - 1)}
        >
          {t('earlier')}
        </button>
        <button
          className="button"
          type="button"
          disabled={current === lastPage}
          onClick={() => setPage(current + 1 === lastPage ? null : current + 1)}
        >
          {t('later')}
        </button>
        <span>{t('rowsOf', { from: total === 0 ? 0 : from + 1, to, total })}</span>
      </p>
    </div>
  );
}

function cellClass(number: boolean, measured: boolean): string | undefined {
  const names = [number ? 'num' : '', measured ? '' : 'is-unmeasured'].filter(Boolean);
  return names.length === 0 ? undefined : names.join(' ');
}

function isPaper(): boolean {
  return document.documentElement.dataset.paper !== undefined;
}

function watchPaper(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-paper'] });
  return () => observer.disconnect();
}
