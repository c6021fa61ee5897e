/**
 * A chart of time that a mouse, a finger, a keyboard and a screen reader can all read. Lines are drawn by
 * uPlot on a canvas; axes, words, the hatch and the cursor are HTML around it, so that they print, follow
 * the theme and can be tested. Arrow keys move a cursor whose reading a live region announces.
 */
import { type CSSProperties, type KeyboardEvent, type PointerEvent, useRef, useState } from 'react';
import { useDebounced } from '../parts/useDebounced';
import { useTakeFocus } from '../parts/useTakeFocus';
import { useSpeech } from '../speech';
import { Backdrop, placeOf, Words } from './Backdrop';
import { instantOf } from './model';
import type { Picture } from './picture';
import { usePlot } from './usePlot';
import { useWidth } from './useSize';

export const PLOT_HEIGHT_PX = 220;
const ANNOUNCE_AFTER_MS = 250;
const BIG_STEP = 10;
const AXIS_CHAR_PX = 6.7;

interface Cursor {
  /** The end of the window, not its index: new windows must not move the cursor. */
  end: number;
  line: number;
  from: 'keys' | 'pointer';
}

export function TimeChart({ picture, takesFocus }: { picture: Picture; takesFocus: boolean }) {
  const { t } = useSpeech();
  const application = useRef<HTMLDivElement>(null);
  const plot = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const width = useWidth(plot);
  const [cursor, setCursor] = useState<Cursor | null>(null);
  useTakeFocus(application, takesFocus);
  usePlot(canvas, picture, width, PLOT_HEIGHT_PX);

  const { windows, lines } = picture;
  const shown = shownWindows(picture);
  const index = cursor === null ? null : nearest(windows.ends, cursor.end);
  const line = lines[Math.min(cursor?.line ?? 0, lines.length - 1)];
  const reading = index === null || line === undefined ? '' : line.read(index);
  const announced = useDebounced(cursor?.from === 'keys' ? reading : '', ANNOUNCE_AFTER_MS);

  const move = (to: number, lineBy = 0) => {
    const held = Math.max(shown.first, Math.min(to, shown.last));
    const lineAt = ((cursor?.line ?? 0) + lineBy + lines.length) % lines.length;
    setCursor({ end: windows.ends[held] ?? 0, line: lineAt, from: 'keys' });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || shown.last < shown.first) return;
    const to = stepOf(event, index ?? shown.last, shown);
    if (to === null) return;
    event.preventDefault();
    if (to === 'leave') setCursor(null);
    else move(to.index, to.lines);
  };
  const onPointerMove = (event: PointerEvent) => {
    const box = plot.current?.getBoundingClientRect();
    if (box === undefined || box.width === 0 || shown.last < shown.first) return;
    const share = (event.clientX - box.left) / box.width;
    const end = picture.domain.from + share * (picture.domain.to - picture.domain.from);
    const held = Math.max(shown.first, Math.min(nearest(windows.ends, end), shown.last));
    setCursor({ end: windows.ends[held] ?? 0, line: cursor?.line ?? 0, from: 'pointer' });
  };
  const onFocus = () => {
    // a click focuses too; its place is the pointer's
    if (cursor === null) setCursor({ end: windows.ends[shown.last] ?? 0, line: 0, from: 'pointer' });
  };

  return (
    <>
      <div
        ref={application}
        className="chart"
        role="application"
        style={axisRoom(picture)}
        aria-roledescription={t('timeChart')}
        aria-label={picture.help}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application widget takes the focus and the arrow keys
        tabIndex={0}
        onKeyDown={onKeyDown}
        onFocus={onFocus}
        onBlur={() => setCursor(null)}
        onPointerMove={onPointerMove}
        onPointerLeave={(event) => {
          if (document.activeElement !== event.currentTarget) setCursor(null);
        }}
      >
        <div className="plot" ref={plot} aria-hidden="true">
          <Backdrop picture={picture} />
          <div className="plot-canvas" ref={canvas} />
          <Words picture={picture} width={width} height={PLOT_HEIGHT_PX} />
          {index !== null && line !== undefined && (
            <CursorMark
              picture={picture}
              index={index}
              value={line.values[index] ?? null}
              reading={reading}
            />
          )}
        </div>
      </div>
      <p className="vh" aria-live="polite" data-testid="reading">
        {announced}
      </p>
    </>
  );
}

/** Room at the left for the longest figure of the value axis. */
function axisRoom({ axis }: Picture): CSSProperties {
  const longest = Math.max(...axis.marks.map(({ label }) => label.length));
  return { '--axis': `${Math.ceil(longest * AXIS_CHAR_PX) + 10}px` } as CSSProperties;
}

type Step = { index: number; lines: number } | 'leave';

/** Where a key leads from window `at`; null for a key that is not the chart's. */
function stepOf(event: KeyboardEvent, at: number, shown: Shown): Step | null {
  const by = event.shiftKey ? BIG_STEP : 1;
  switch (event.key) {
    case 'ArrowLeft':
      return { index: at - by, lines: 0 };
    case 'ArrowRight':
      return { index: at + by, lines: 0 };
    case 'Home':
      return { index: shown.first, lines: 0 };
    case 'End':
      return { index: shown.last, lines: 0 };
    case 'ArrowUp':
      return { index: at, lines: -1 };
    case 'ArrowDown':
      return { index: at, lines: 1 };
    case 'Escape':
      return 'leave';
    default:
      return null;
  }
}

function CursorMark(props: { picture: Picture; index: number; value: number | null; reading: string }) {
  const { picture, index, value, reading } = props;
  const place = placeOf(picture);
  const x = place.x(instantOf(picture.windows, index));
  return (
    <div className="cursor" style={{ left: `${x}%` }}>
      {value !== null && <i className="cursor-dot" style={{ bottom: `${place.y(value)}%` }} />}
      <span className={x > 60 ? 'cursor-tag is-left' : 'cursor-tag'}>{reading}</span>
    </div>
  );
}

interface Shown {
  first: number;
  last: number;
}

/** The windows inside the axis; those trimmed away at its left are in the table only. */
function shownWindows(picture: Picture): Shown {
  const { ends } = picture.windows;
  const first = ends.findIndex((end) => end > picture.domain.from);
  return { first: first < 0 ? ends.length : first, last: ends.length - 1 };
}

/** Index of the window whose end is nearest to an instant; windows are evenly spaced. */
function nearest(ends: readonly number[], at: number): number {
  const [first = 0, second = first + 1] = ends;
  const index = Math.round((at - first) / (second - first));
  return Math.max(0, Math.min(index, ends.length - 1));
}
