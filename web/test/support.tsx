/** Shared by the tests: a campus at a known instant, sentences in English, and a root to render into. */
import { act, type ReactNode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, vi } from 'vitest';
import { Campus } from '../dev/model';
import type { Scenario } from '../dev/published';
import type { Question } from '../dev/question';
import type { Overview, Series } from '../src/api/types';
import { makeSpeech } from '../src/format';
import { en } from '../src/i18n/en';
import { frameOf } from '../src/views/frame';

/** Tue 24 Nov 2026, 11:20:16 in London: the day of the drawings. */
export const NOW = Date.parse('2026-11-24T11:20:16Z');
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export const speech = makeSpeech(en, 'en-GB', 'Europe/London');

export function overviewAt(now = NOW, scenario: Scenario = 'day', question: Question = {}): Overview {
  return new Campus(scenario).overview(question, now);
}

export function seriesAt(now = NOW, scenario: Scenario = 'day', question: Question = {}): Series {
  return new Campus(scenario).series(question, now);
}

export function frameAt(now = NOW, scenario: Scenario = 'day', question: Question = {}) {
  const follows = question.end === undefined || question.end === 'now';
  const frame = frameOf(
    seriesAt(now, scenario, question),
    { follows, trims: question.start === undefined },
    speech,
  );
  if (frame === null) throw new Error('the campus always answers with a series');
  return frame;
}

/** A series of one item whose entries and coverage a test spells out; windows of a minute from midnight. */
export function smallSeries(
  entries: (number | null)[],
  coverage: number[],
  change: Partial<Series> = {},
): Series {
  const start = '2026-11-24T00:00:00+00:00';
  const end = new Date(Date.parse(start) + entries.length * MINUTE).toISOString();
  const empty = entries.map(() => null);
  return {
    metrics: ['entries', 'speed_avg', 'speed_min', 'speed_max'],
    start,
    end,
    step_s: 60,
    window_s: 60,
    mode: 'rolling',
    label: 'end',
    tz: 'Europe/London',
    fill: 'auto',
    watermark: end,
    approx: false,
    stale: false,
    series: [
      {
        key: { sensor: 'all', type: 'all' },
        n: entries.length,
        entries: { unit: 'count', v: entries },
        speed_avg: { unit: 'm/s', v: empty },
        speed_min: { unit: 'm/s', v: empty },
        speed_max: { unit: 'm/s', v: empty },
        coverage,
        state: entries.map(() => 'final' as const),
      },
    ],
    stream: { topic: 'series', filter: '', epoch: 'a', offset: 10 },
    ...change,
  };
}

const roots: Root[] = [];

/** Renders, and gives back a way to render again. What was rendered is gone after the test. */
export async function render(node: ReactNode): Promise<(next: ReactNode) => Promise<void>> {
  const host = document.createElement('div');
  document.body.append(host);
  const root = createRoot(host);
  roots.push(root);
  const show = (next: ReactNode) => act(async () => root.render(next));
  await show(node);
  return show;
}

afterEach(() =>
  act(async () => {
    for (const root of roots.splice(0)) root.unmount();
  }),
);

export function press(target: Element, key: string, more: KeyboardEventInit = {}): Promise<void> {
  return act(async () => {
    target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }));
  });
}

export function click(target: Element | null): Promise<void> {
  if (!(target instanceof HTMLElement)) throw new Error('nothing to click');
  return act(async () => target.click());
}

/** Waits until a condition holds, letting React and fake or real time go on. */
export async function eventually(condition: () => boolean, deadlineMs = 3_000): Promise<void> {
  const until = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > until) throw new Error('it did not happen in time');
    await act(() => new Promise((done) => setTimeout(done, 10)));
  }
}

/** Lets fake time pass, with everything that is due in it. */
export function pass(ms: number): Promise<unknown> {
  return act(() => vi.advanceTimersByTimeAsync(ms));
}

export function texts(selector: string): string[] {
  return [...document.querySelectorAll(selector)].map((element) => element.textContent ?? '');
}
