/**
 * Everything of a chart that is not a line: grid, axes, hatched gaps, the bracket over the tail, the
 * present, dots and words. Places are percentages of the plot, so resizing and printing need no script.
 */
import { type LabelWish, placeLabels } from './labels';
import type { Picture } from './picture';

export interface Place {
  /** Percent from the left. */
  x: (at: number) => number;
  /** Percent from the bottom. */
  y: (value: number) => number;
}

export function placeOf({ domain, axis }: Picture): Place {
  return {
    x: (at) => clamp((100 * (at - domain.from)) / (domain.to - domain.from)),
    y: (value) => clamp((100 * value) / axis.top),
  };
}

function clamp(percent: number): number {
  return Math.max(0, Math.min(100, percent));
}

export function Backdrop({ picture }: { picture: Picture }) {
  const place = placeOf(picture);
  return (
    <>
      {picture.axis.marks.map(({ value, label }) => (
        <div
          key={value}
          className={value === 0 ? 'grid axis' : 'grid'}
          style={{ bottom: `${place.y(value)}%` }}
        >
          <span className="ax">{label}</span>
        </div>
      ))}
      {picture.ticks.map(({ at, label, minor }) => (
        <div key={at} className={minor ? 'tick minor' : 'tick'} style={{ left: `${place.x(at)}%` }}>
          <span className="ax">{label}</span>
        </div>
      ))}
      {picture.gaps.map(({ from, to }) => (
        <div
          key={from}
          className="gap hatch"
          style={{ left: `${place.x(from)}%`, width: `${place.x(to) - place.x(from)}%` }}
        />
      ))}
      {picture.present !== null && (
        <div className="present" style={{ left: `${place.x(picture.present)}%` }} />
      )}
      {picture.tail !== null && picture.present !== null && (
        <div
          className="bracket"
          style={{
            left: `${place.x(picture.tail.from)}%`,
            width: `${place.x(picture.present) - place.x(picture.tail.from)}%`,
          }}
        />
      )}
    </>
  );
}

/** Pixels right of the plot that words may use; the chart's padding there, see charts.css. */
const GUTTER_PX = 52;
const TOP_LINE_PX = 10;

export function Words({ picture, width, height }: { picture: Picture; width: number; height: number }) {
  const place = placeOf(picture);
  if (width === 0) return null;
  const px = (at: number) => (place.x(at) / 100) * width;
  const py = (value: number) => height - (place.y(value) / 100) * height;
  const labels = placeLabels(wishesOf(picture, px, py, width, height), { width, height, gutter: GUTTER_PX });
  return (
    <>
      {picture.marks.map(
        (mark) =>
          mark.dot && (
            <i
              key={mark.key}
              className={mark.dot === 'open' ? 'dot is-open' : 'dot'}
              style={{ left: `${place.x(mark.at)}%`, bottom: `${place.y(mark.value)}%` }}
            />
          ),
      )}
      {labels.map((label) => (
        <span
          key={label.key}
          className={`lab lab-${label.tone} lab-${label.anchor}`}
          style={{ left: `${(100 * textX(label)) / width}%`, top: `${label.y}px` }}
        >
          {label.text}
        </span>
      ))}
    </>
  );
}

/** Where the text hangs: its true width is the font's business, so it is anchored, not boxed. */
function textX(label: { anchor: string; left: number; width: number }): number {
  if (label.anchor === 'start') return label.left;
  return label.anchor === 'end' ? label.left + label.width : label.left + label.width / 2;
}

function wishesOf(
  picture: Picture,
  px: (at: number) => number,
  py: (value: number) => number,
  width: number,
  height: number,
): LabelWish[] {
  const wishes: LabelWish[] = picture.marks
    .filter((mark) => mark.text !== '')
    .map(({ at, value, dx, dy, dot: _, ...words }) => ({ ...words, x: px(at) + dx, y: py(value) + dy }));
  if (picture.tail !== null && picture.present !== null) {
    const x = px(picture.present) + 6;
    wishes.push({ key: 'tail', text: picture.tail.label, x, y: 5, anchor: 'start', tone: 'soft' });
  }
  if (picture.remark !== null) {
    const y = height / 2;
    wishes.push({ key: 'remark', text: picture.remark, x: width / 2, y, anchor: 'middle', tone: 'nodata' });
  }
  for (const gap of picture.gaps) {
    const x = px(gap.to) + 7;
    const words = { text: gap.label, short: gap.short, anchor: 'start' as const, tone: 'nodata' as const };
    wishes.push({ key: `gap-${gap.from}`, ...words, x, y: TOP_LINE_PX, optional: wishes.length > 8 });
  }
  return wishes;
}
