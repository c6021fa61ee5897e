/**
 * What a chart is to show, in words the drawing understands. Views build one of these from windows and
 * sentences; `TimeChart` draws it and reads it aloud.
 */
import type { Range } from '../time/range';
import type { Tick } from '../time/ticks';
import type { LabelWish } from './labels';
import type { Values, Windows } from './model';

/** A line of the chart: one stop for the up and down keys. */
export interface Line {
  key: string;
  values: Values;
  colour: string;
  /** The lighter colour of what is still arriving; without one the line is not split. */
  tailColour?: string;
  width: number;
  dash?: number[];
  /** A count that is not complete yet would draw a dip; an average would not. */
  skipOpen?: boolean;
  /** What the live region and the cursor's tag say at window i. */
  read: (i: number) => string;
}

export interface Band {
  /** Keys of two lines. */
  high: string;
  low: string;
  colour: string;
}

/** A word at a place in the data, with an optional dot on it. */
export interface Mark extends Pick<LabelWish, 'key' | 'text' | 'short' | 'anchor' | 'tone' | 'optional'> {
  at: number;
  value: number;
  /** Distance from the place, in pixels. */
  dx: number;
  dy: number;
  dot?: 'solid' | 'open';
}

export interface TableColumn {
  head: string;
  /** The cell of window i; null is an empty cell. */
  cell: (i: number) => string | null;
  number: boolean;
}

export interface Picture {
  title: string;
  windows: Windows;
  domain: Range;
  ticks: readonly (Tick & { label: string; minor: boolean })[];
  axis: { top: number; marks: readonly { value: number; label: string }[] };
  gaps: readonly (Range & { label: string; short: string })[];
  tail: { from: number; label: string } | null;
  /** The present, drawn as a line, while the range ends now. */
  present: number | null;
  lines: readonly Line[];
  bands: readonly Band[];
  marks: readonly Mark[];
  /** Said in the middle where there is nothing to draw. */
  remark: string | null;
  caption: string;
  help: string;
  table: readonly TableColumn[];
}
