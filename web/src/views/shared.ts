/** What the pictures of several charts have in common: readings, axis limits, table columns. */
import { instantOf, isArriving, isMeasured, startOf, type Values, type Windows } from '../chart/model';
import type { TableColumn } from '../chart/picture';
import type { Speech } from '../format';
import type { ChartFrame } from './frame';

/** An instant of the range's last day: times of that day are printed without their date. */
export function lastDay(windows: Windows): number {
  return windows.range.to - 1;
}

export function helpVars(
  title: string,
  frame: ChartFrame,
  { f }: Speech,
): { title: string; from: string; to: string } {
  const { domain } = frame.stretch;
  const day = lastDay(frame.windows);
  return { title, from: f.dayTime(domain.from, day), to: f.dayTime(frame.windows.range.to, day) };
}

/** The values that are on the axis, without those of windows trimmed away at its left. */
export function inDomain(frame: ChartFrame, values: Values): number[] {
  const { ends } = frame.windows;
  return values.filter(
    (value, i): value is number => value != null && (ends[i] ?? 0) > frame.stretch.domain.from,
  );
}

export function timeOf(windows: Windows, i: number, { f }: Speech): string {
  return f.dayTime(instantOf(windows, i), lastDay(windows));
}

/** What a listener must know before trusting a value. */
export function honesty(windows: Windows, i: number, { t, f }: Speech): string {
  const coverage = windows.coverage[i] ?? 0;
  if (i === windows.open) return t('readOpen');
  const partly = coverage > 0 && coverage < 0.995 ? t('readCoverage', { percent: f.percent(coverage) }) : '';
  return partly + (isArriving(windows, i) ? t('readArriving') : '');
}

export function timeColumns(windows: Windows, { t, f }: Speech): TableColumn[] {
  const day = lastDay(windows);
  return [
    { head: t('start'), number: false, cell: (i) => f.dayTime(startOf(windows, i), day) },
    { head: t('end'), number: false, cell: (i) => f.dayTime(windows.ends[i] ?? day, day) },
  ];
}

export function column(
  head: string,
  values: Values,
  print: (value: number) => string,
  windows: Windows,
  { t }: Speech,
): TableColumn {
  return {
    head,
    number: true,
    cell: (i) => {
      const value = values[i];
      if (value != null) return print(value);
      return isMeasured(windows, i) ? '' : t('noData');
    },
  };
}

export function trustColumns(windows: Windows, { t, f }: Speech): TableColumn[] {
  const names: Record<string, string> = {
    live: t('stateProvisional'),
    provisional: t('stateProvisional'),
    final: t('stateFinal'),
    revised: t('stateRevised'),
  };
  return [
    { head: t('coverage'), number: true, cell: (i) => f.percent(windows.coverage[i] ?? 0) },
    {
      head: t('windowState'),
      number: false,
      cell: (i) => (i === windows.open ? t('stateLive') : (names[windows.state[i] ?? ''] ?? '')),
    },
  ];
}

export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
