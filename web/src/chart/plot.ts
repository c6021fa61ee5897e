/**
 * The canvas of a chart: lines and bands, nothing else. Axes, words, hatch and cursor are HTML around it,
 * so this module, and uPlot with it, can arrive a moment later than the page.
 */
import uPlot from 'uplot';
import './plot.css';

export interface PlotLine {
  values: readonly (number | null)[];
  /** A CSS custom property such as `--s1`; its present value is looked up at every drawing. */
  colour: string;
  width: number;
  dash?: number[];
}

export interface PlotBand {
  /** Indexes into `lines`. */
  high: number;
  low: number;
  colour: string;
}

export interface PlotSpec {
  xs: readonly number[];
  lines: readonly PlotLine[];
  bands: readonly PlotBand[];
  domain: { from: number; to: number };
  top: number;
}

export interface Plot {
  update(spec: PlotSpec): void;
  resize(width: number, height: number): void;
  /** Draws again with the colours of now, after a change of theme or for paper. */
  redraw(): void;
  destroy(): void;
}

export function createPlot(host: HTMLElement, first: PlotSpec, width: number, height: number): Plot {
  let spec = first;
  const chart = new uPlot(
    options(host, () => spec, width, height),
    dataOf(spec),
    host,
  );
  return {
    update(next) {
      spec = next;
      chart.setData(dataOf(spec), true);
    },
    resize: (w, h) => chart.setSize({ width: w, height: h }),
    redraw: () => chart.redraw(false),
    destroy: () => chart.destroy(),
  };
}

function dataOf(spec: PlotSpec): uPlot.AlignedData {
  return [spec.xs.slice(), ...spec.lines.map((line) => line.values.slice())];
}

function options(host: HTMLElement, spec: () => PlotSpec, width: number, height: number): uPlot.Options {
  const { lines, bands } = spec();
  return {
    width,
    height,
    padding: [0, 0, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    axes: [{ show: false }, { show: false }],
    scales: {
      x: { time: false, range: () => [spec().domain.from, spec().domain.to] },
      y: { range: () => [0, spec().top] },
    },
    series: [
      {},
      ...lines.map((line, i) => ({
        stroke: () => colourOf(host, line.colour),
        width: line.width,
        ...(line.dash ? { dash: line.dash } : {}),
        spanGaps: false,
        points: { show: false, size: 4, filter: () => lonely(spec().lines[i]?.values ?? []) },
      })),
    ],
    bands: bands.map((band) => ({
      series: [band.high + 1, band.low + 1],
      fill: () => colourOf(host, band.colour),
    })),
  };
}

/** Values between two gaps: without a dot they would not be seen at all. */
function lonely(values: readonly (number | null)[]): number[] {
  const found: number[] = [];
  values.forEach((value, i) => {
    if (value !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) found.push(i);
  });
  return found;
}

/** The colour a token has inside `host`: scheme, theme and print are already decided there. */
function colourOf(host: HTMLElement, token: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(${token})`;
  host.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
