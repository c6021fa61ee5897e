/**
 * Brings the canvas of a chart to life: loads uPlot when it is first needed, keeps it fed and sized, and
 * redraws it when its colours change: another theme, another system scheme, or paper.
 */
import { type RefObject, useEffect, useRef } from 'react';
import { onColoursChanged } from '../theme';
import { tailStart } from './model';
import type { Picture } from './picture';
import type { Plot, PlotLine, PlotSpec } from './plot';

export function usePlot(
  host: RefObject<HTMLDivElement | null>,
  picture: Picture,
  width: number,
  height: number,
): void {
  const plot = useRef<Plot | null>(null);
  const latest = useRef({ picture, width, height });
  latest.current = { picture, width, height };
  // a plot is made for its lines; another set of lines is another plot
  const shape = picture.lines.map((line) => line.key).join() + picture.bands.length;
  const ready = width > 0;

  // biome-ignore lint/correctness/useExhaustiveDependencies(shape): made anew when the lines change
  useEffect(() => {
    if (!ready) return;
    let gone = false;
    void import('./plot').then(({ createPlot }) => {
      if (gone || host.current === null) return;
      const now = latest.current;
      plot.current = createPlot(host.current, specOf(now.picture), now.width, now.height);
    });
    const stop = onColoursChanged(() => plot.current?.redraw());
    return () => {
      gone = true;
      stop();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [host, ready, shape]);

  useEffect(() => plot.current?.resize(width, height), [width, height]);
  useEffect(() => plot.current?.update(specOf(picture)), [picture]);
}

/** Each line as one or two: what is settled, and from the last settled point on what still arrives. */
export function specOf(picture: Picture): PlotSpec {
  const { windows, domain, axis } = picture;
  const xs = windows.ends.map((end) => Math.min(end, windows.range.to));
  const tail = tailStart(windows) ?? xs.length;
  const lines: PlotLine[] = [];
  const indexOf = new Map<string, number>();
  // a band is filled when its first line is drawn, so the lines of bands come first and stay below
  const edges = new Set(picture.bands.flatMap((band) => [band.high, band.low]));
  const below = picture.lines.filter((line) => edges.has(line.key));
  const above = picture.lines.filter((line) => !edges.has(line.key));
  for (const line of [...below, ...above]) {
    const values = line.values.map((value, i) => (line.skipOpen && i === windows.open ? null : value));
    const { colour, width, dash } = line;
    const style = dash ? { width, dash } : { width };
    indexOf.set(line.key, lines.length);
    if (line.tailColour === undefined) {
      lines.push({ values, colour, ...style });
      continue;
    }
    lines.push({ values: values.map((value, i) => (i < tail ? value : null)), colour, ...style });
    lines.push({
      values: values.map((value, i) => (i >= tail - 1 ? value : null)),
      colour: line.tailColour,
      ...style,
    });
  }
  const bands = picture.bands.map(({ high, low, colour }) => ({
    high: indexOf.get(high) ?? 0,
    low: indexOf.get(low) ?? 0,
    colour,
  }));
  return { xs, lines, bands, domain, top: axis.top };
}
