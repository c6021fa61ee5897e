/**
 * Where the words of a chart go. Labels are placed in order of importance; one that would cover another
 * moves a line up or down, or is left out when it may be. Pure geometry in CSS pixels.
 */

export type Anchor = 'start' | 'middle' | 'end';

export interface LabelWish {
  key: string;
  text: string;
  /** A shorter wording for a narrow chart. */
  short?: string;
  x: number;
  /** Middle line of the text. */
  y: number;
  anchor: Anchor;
  tone: 'strong' | 'soft' | 'plain' | 'nodata';
  /** Left out rather than moved when there is no room. */
  optional?: boolean;
}

export interface Label extends LabelWish {
  left: number;
  width: number;
}

export interface Frame {
  width: number;
  height: number;
  /** Pixels to the right of the plot that labels may use. */
  gutter: number;
}

const LINE_PX = 16;
const CHAR_PX = { strong: 7, plain: 6.6, soft: 6.6, nodata: 6.6 } as const;
const NARROW_PX = 380;

/** Places the wishes, the most important first. */
export function placeLabels(wishes: readonly LabelWish[], frame: Frame): Label[] {
  const placed: Label[] = [];
  for (const wish of wishes) {
    const label = placeOne(wish, frame, placed);
    if (label !== null) placed.push(label);
  }
  return placed;
}

function placeOne(wish: LabelWish, frame: Frame, placed: readonly Label[]): Label | null {
  const room = frame.width + frame.gutter;
  const text = wordingFor(wish, frame, room);
  const width = widthOf(text, wish);
  const wanted = leftOf(wish, width);
  // words at the right of a mark turn to its left when they would leave the chart
  const turned = wish.anchor === 'start' && wanted + width > room ? wish.x - width - 14 : wanted;
  const left = Math.max(0, Math.min(turned, room - width));
  for (const shift of wish.optional ? [0] : [0, LINE_PX, -LINE_PX, 2 * LINE_PX, -2 * LINE_PX]) {
    const y = Math.max(LINE_PX / 2, Math.min(wish.y + shift, frame.height - LINE_PX / 2));
    const label = { ...wish, text, y, left, width };
    if (!placed.some((other) => overlaps(label, other))) return label;
  }
  return null;
}

/** The shorter wording on a narrow chart, and wherever the longer one would not fit. */
function wordingFor(wish: LabelWish, frame: Frame, room: number): string {
  if (wish.short === undefined) return wish.text;
  const fits = leftOf(wish, widthOf(wish.text, wish)) + widthOf(wish.text, wish) <= room;
  return fits && (frame.width >= NARROW_PX || wish.tone === 'strong') ? wish.text : wish.short;
}

function widthOf(text: string, wish: LabelWish): number {
  return text.length * CHAR_PX[wish.tone];
}

function leftOf(wish: LabelWish, width: number): number {
  if (wish.anchor === 'start') return wish.x;
  return wish.anchor === 'end' ? wish.x - width : wish.x - width / 2;
}

function overlaps(a: Label, b: Label): boolean {
  const apart = 4;
  return (
    a.left < b.left + b.width + apart && b.left < a.left + a.width + apart && Math.abs(a.y - b.y) < LINE_PX
  );
}
