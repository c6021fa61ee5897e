/** The chart accessibility contract. Every chart of the dashboard goes through the same tests. */
import { act } from 'react';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Picture } from '../src/chart/picture';
import { ChartFigure } from '../src/parts/ChartFigure';
import { setPrefs } from '../src/prefs';
import { entriesPicture, speedPicture } from '../src/views/pictures';
import { click, eventually, frameAt, MINUTE, NOW, press, render, speech, texts } from './support';

// the canvas is uPlot's business, and happy-dom has none
vi.mock('../src/chart/plot', () => ({
  createPlot: () => ({ update: vi.fn(), resize: vi.fn(), redraw: vi.fn(), destroy: vi.fn() }),
}));

const CHARTS: [string, (now?: number) => Picture][] = [
  ['entries', (now = NOW) => entriesPicture(frameAt(now), speech)],
  ['speed', (now = NOW) => speedPicture(frameAt(now), speech)],
];

const figure = (id: string, picture: Picture | null, more = {}) => (
  <ChartFigure
    id={id}
    title="Title"
    picture={picture}
    error={null}
    onRetry={() => {}}
    nothing={false}
    {...more}
  />
);
const chart = () => document.querySelector<HTMLElement>('[role="application"]') as HTMLElement;
const tag = () => document.querySelector('.cursor-tag')?.textContent ?? null;
const announced = () => document.querySelector('[data-testid="reading"]')?.textContent ?? '';

beforeEach(() => setPrefs({ shortcuts: true }));

describe.each(CHARTS)('the chart of %s', (id, pictureAt) => {
  test('is a figure named by its heading, and an application that takes the focus', async () => {
    await render(figure(id, pictureAt()));
    const element = document.querySelector('figure');
    const name = document.getElementById(element?.getAttribute('aria-labelledby') ?? '');
    expect(name?.tagName).toBe('H2');
    expect(name?.textContent).toBe(pictureAt().title);
    expect(chart().tabIndex).toBe(0);
    expect(chart().getAttribute('aria-roledescription')).toBe('time chart');
    expect(chart().getAttribute('aria-label')).toContain('06:00 to 11:20');
    expect(document.querySelector('.plot')?.getAttribute('aria-hidden')).toBe('true');
  });

  test('moves one point with the arrows, ten with shift, to the ends with home and end', async () => {
    const picture = pictureAt();
    const read = (i: number) => picture.lines[0]?.read(i) ?? '';
    const last = picture.windows.ends.length - 1;
    const first = picture.windows.ends.findIndex((end) => end > picture.domain.from);
    await render(figure(id, picture));
    await press(chart(), 'End');
    expect(tag()).toBe(read(last));
    await press(chart(), 'ArrowLeft');
    expect(tag()).toBe(read(last - 1));
    await press(chart(), 'ArrowLeft', { shiftKey: true });
    expect(tag()).toBe(read(last - 11));
    await press(chart(), 'ArrowRight');
    expect(tag()).toBe(read(last - 10));
    await press(chart(), 'Home');
    expect(tag()).toBe(read(first));
    await press(chart(), 'ArrowLeft');
    expect(tag()).toBe(read(first));
    await press(chart(), 'Escape');
    expect(tag()).toBeNull();
  });

  test('changes the line with up and down, and comes round', async () => {
    const picture = pictureAt();
    await render(figure(id, picture));
    await press(chart(), 'End');
    for (let i = 1; i <= picture.lines.length; i += 1) {
      await press(chart(), 'ArrowDown');
      expect(tag()).toBe(picture.lines[i % picture.lines.length]?.read(picture.windows.ends.length - 1));
    }
    await press(chart(), 'ArrowUp');
    expect(tag()).toBe(picture.lines.at(-1)?.read(picture.windows.ends.length - 1));
  });

  test('announces where the cursor rests, politely and once', async () => {
    await render(figure(id, pictureAt()));
    const region = document.querySelector('[data-testid="reading"]');
    expect(region?.getAttribute('aria-live')).toBe('polite');
    await press(chart(), 'End');
    await press(chart(), 'ArrowLeft');
    expect(announced()).toBe('');
    await eventually(() => announced() !== '');
    expect(announced()).toBe(tag());
  });

  test('keeps the cursor at its time while new windows come', async () => {
    const again = await render(figure(id, pictureAt()));
    await press(chart(), 'End');
    await press(chart(), 'ArrowLeft', { shiftKey: true });
    const before = tag()?.slice(0, 5);
    await again(figure(id, pictureAt(NOW + 5 * MINUTE)));
    expect(tag()?.slice(0, 5)).toBe(before);
  });

  test('has a hatch with words where nobody measured', async () => {
    await render(figure(id, pictureAt()));
    expect(document.querySelectorAll('.gap.hatch')).toHaveLength(1);
    expect(pictureAt().gaps[0]?.label).toBe('no data 07:10 to 07:25');
  });

  test('becomes a real table and back with t, and the focus goes along', async () => {
    const picture = pictureAt();
    await render(figure(id, picture));
    await act(async () => chart().focus());
    await press(chart(), 't');
    await eventually(() => document.querySelector('table') !== null);
    expect(texts('thead th')).toEqual(picture.table.map((column) => column.head));
    expect(document.querySelectorAll('tbody tr')).toHaveLength(
      25 - ((25 - (picture.windows.ends.length % 25)) % 25),
    );
    expect(texts('tbody tr:last-child th, tbody tr:last-child td')).toEqual(
      picture.table.map((column) => column.cell(picture.windows.ends.length - 1) ?? ''),
    );
    const region = document.querySelector('.scroll') as HTMLElement;
    await eventually(() => document.activeElement === region);
    await press(region, 't');
    expect(document.activeElement).toBe(chart());
  });

  test('has pages of 25 rows from the first window to the last', async () => {
    const picture = pictureAt();
    await render(figure(id, picture));
    await click(document.querySelector('.table-toggle'));
    await eventually(() => document.querySelector('table') !== null);
    const [earlier, later] = [...document.querySelectorAll<HTMLButtonElement>('.pager button')];
    expect(later?.disabled).toBe(true);
    await click(earlier ?? null);
    expect(document.querySelectorAll('tbody tr')).toHaveLength(25);
    const seen = new Set(texts('tbody th'));
    for (let i = 0; i < 100 && !earlier?.disabled; i += 1) {
      await click(earlier ?? null);
      for (const start of texts('tbody th')) seen.add(start);
    }
    expect(texts('tbody th')[0]).toBe('00:00');
    expect(seen.size).toBe(Math.floor((picture.windows.ends.length - 1) / 25) * 25);
  });

  test('prints every row of its table', async () => {
    const picture = pictureAt();
    await render(figure(id, picture));
    await click(document.querySelector('.table-toggle'));
    await eventually(() => document.querySelector('table') !== null);
    document.documentElement.dataset.paper = '';
    await eventually(() => document.querySelectorAll('tbody tr').length === picture.windows.ends.length);
    delete document.documentElement.dataset.paper;
    await eventually(() => document.querySelectorAll('tbody tr').length <= 25);
  });

  test('leaves t alone when shortcuts are off', async () => {
    setPrefs({ shortcuts: false });
    await render(figure(id, pictureAt()));
    await press(chart(), 't');
    expect(document.querySelector('table')).toBeNull();
  });

  test('says what its line says in the caption', async () => {
    await render(figure(id, pictureAt()));
    expect(texts('figcaption')).toEqual([pictureAt().caption]);
  });
});

test('while it loads, the chart keeps its place', async () => {
  await render(figure('entries', null));
  expect(document.querySelector('.chart .plot.sk')).not.toBeNull();
  expect(document.querySelector('.chart')?.getAttribute('aria-label')).toBe('Loading the chart Title');
  expect(document.querySelector('.table-toggle')).toBeNull();
});
