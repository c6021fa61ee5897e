/** The page as a whole, against the mock campus: what is said in each state, and what a reader can do. */
import { QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, RouterProvider } from '@tanstack/react-router';
import { act } from 'react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TYPES, ZONES } from '../dev/campus';
import { Campus } from '../dev/model';
import type { Scenario } from '../dev/published';
import { makeQueryClient } from '../src/api/queries';
import { setPrefs } from '../src/prefs';
import { makeRouter } from '../src/router';
import { stringifySearch } from '../src/search';
import { FakeWebSocket } from './fakes';
import { click, eventually, NOW, press, render, texts } from './support';

vi.mock('../src/chart/plot', () => ({
  createPlot: () => ({ update: vi.fn(), resize: vi.fn(), redraw: vi.fn(), destroy: vi.fn() }),
}));

let router: ReturnType<typeof makeRouter>;
let campus: Campus;
let failing: Record<string, object>;
let asked: string[];
let sockets: FakeWebSocket[];

beforeEach(() => {
  campus = new Campus();
  failing = {};
  asked = [];
  sockets = [];
  setPrefs({ theme: 'system', language: 'en', shortcuts: true });
  vi.stubGlobal('fetch', async (request: Request) => answer(new URL(request.url)));
  vi.stubGlobal(
    'WebSocket',
    Object.assign(
      function open() {
        const socket = new FakeWebSocket();
        sockets.push(socket);
        return socket;
      },
      { OPEN: 1, CONNECTING: 0, CLOSED: 3 },
    ),
  );
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function answer(url: URL): Response {
  asked.push(url.pathname + url.search);
  const problem = failing[url.pathname];
  if (problem) {
    return Response.json(problem, {
      status: 503,
      headers: { 'content-type': 'application/problem+json', 'x-request-id': 'req-7' },
    });
  }
  const question = Object.fromEntries(url.searchParams);
  const bodies: Record<string, () => unknown> = {
    '/api/v1/site': () => campus.site(NOW),
    '/api/v1/overview': () => campus.overview(question, NOW),
    '/api/v1/series': () => campus.series(question, NOW),
    '/api/v1/sensors': () => ({ items: campus.sensors(NOW), next_cursor: null }),
    '/api/v1/zones': () => ({ items: ZONES, next_cursor: null }),
    '/api/v1/traveler-types': () => ({ items: TYPES.map(({ id }) => ({ id, name: id })), next_cursor: null }),
  };
  return Response.json(bodies[url.pathname]?.());
}

async function open(scenario: Scenario = 'day', search = {}): Promise<void> {
  campus = new Campus(scenario);
  router = makeRouter(createMemoryHistory({ initialEntries: [`/${stringifySearch(search)}`] }));
  const queries = makeQueryClient();
  queries.setDefaultOptions({ queries: { ...queries.getDefaultOptions().queries, retry: false } });
  await render(
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  await eventually(() => document.querySelector('h1') !== null);
}

const h1 = () => document.querySelector('h1')?.textContent ?? '';
const lede = () => document.querySelector('.lede')?.textContent ?? '';
const url = () => router.state.location.searchStr;
const socket = () => sockets.at(-1) as FakeWebSocket;

test('opens with a sentence, the zones, both charts and what needs attention', async () => {
  await open();
  await eventually(() => h1().endsWith('people on site') && texts('[role=application]').length === 2);
  expect(lede()).toContain('Sports hall has not reported for 14 min and is not counted.');
  expect(texts('.zones tbody th')).toEqual([
    'Main entrance',
    'Library',
    'Atrium café',
    'Engineering',
    'Sports hall',
  ]);
  expect(document.querySelectorAll('.z-none .cap-none.hatch')).toHaveLength(1);
  expect(texts('.z-none .z-state')[0]).toBe('No data for 14 min as of 11:06');
  expect(texts('figure h2')).toEqual(['Entering per minute', 'Walking speed, m/s']);
  expect(texts('.needs .plate')).toEqual(['sh-02']);
  expect(document.querySelectorAll('h1')).toHaveLength(1);
  expect(document.title).toBe(`${h1()} · Footfall`);
});

test('shows no column, line or legend for what the server does not know', async () => {
  await open();
  await eventually(() => texts('.zones tbody tr').length > 0);
  expect(texts('.zones thead th')).not.toContain('Usual');
  expect(texts('.legend li')).toEqual(['measured', 'still arriving, may change', 'not measured']);
});

test('links only to pages that exist', async () => {
  await open();
  await eventually(() => texts('.zones tbody tr').length > 0);
  const links = [...document.querySelectorAll('a[href]')].map((link) => link.getAttribute('href'));
  expect(new Set(links)).toEqual(new Set(['#main', '/']));
});

test('changes a number when a delta comes, and nothing else', async () => {
  await open();
  await eventually(() => sockets.length > 0 && texts('.zones tbody tr').length > 0);
  await act(async () => socket().welcome(campus.stamp(Date.now())));
  await eventually(() => socket().of('sub').length === 2);
  const sub = socket()
    .of('sub')
    .find((frame) => frame.topic === 'overview');
  const since = sub?.since as { offset: number };
  const row = document.querySelector('[data-zone="lib"]');
  await act(async () =>
    socket().says({
      t: 'delta',
      id: sub?.id,
      from: since.offset,
      to: since.offset + 1,
      d: { on_site: 999, zones: { lib: { n: 401 } } },
    }),
  );
  await eventually(() => h1() === '999 people on site');
  expect(document.querySelector('[data-zone="lib"]')).toBe(row);
  expect(row?.querySelector('.z-now')?.textContent).toBe('401');
});

test('the stream is asked with the same filter as REST', async () => {
  await open('day', { sensor: ['lib-1'], type: ['student'], window: '5m' });
  await eventually(() => texts('[role=application]').length === 2);
  await act(async () => socket().welcome(campus.stamp(Date.now())));
  await eventually(() => socket().of('sub').length === 2);
  const [overview, series] = socket()
    .of('sub')
    .sort((a, b) => String(a.topic).localeCompare(String(b.topic)));
  expect(overview?.params).toEqual({ sensor: 'lib-1', type: 'student' });
  expect(series?.params).toMatchObject({
    sensor: 'lib-1',
    type: 'student',
    start: 'today',
    end: 'now',
    window: '300s',
    step: '60s',
  });
  expect(
    asked.some((question) => question.includes('/series') && question.includes('sensor=lib-1&type=student')),
  ).toBe(true);
  expect(h1()).toMatch(/ people in Library$/);
  expect(texts('.query-val')).toEqual(['Library', 'student', 'Today to now', '5 min, every 1 min']);
});

test('a past range is not followed', async () => {
  await open('day', { start: '2026-11-23', end: '2026-11-24' });
  await eventually(() => texts('[role=application]').length === 2);
  await act(async () => socket().welcome());
  expect(
    socket()
      .of('sub')
      .map((frame) => frame.topic),
  ).toEqual(['overview']);
});

test('before the first event says how to begin', async () => {
  await open('empty');
  await eventually(() => texts('.steps li').length === 3);
  expect(h1()).toBe('No sensor has reported yet');
  expect(texts('.steps code')[0]).toBe('footfall/main/{device}/positions');
  expect(texts('.steps code')[2]).toContain(
    "mosquitto_pub -h localhost -p 1883 -q 1 -t footfall/main/door-1/positions -m '{",
  );
  expect(document.querySelector('.query')).toBeNull();
});

test('charts that fail leave the live part alone, name the request, and come back', async () => {
  failing['/api/v1/series'] = {
    type: 'x',
    title: 'Upstream unavailable',
    status: 503,
    component: 'postgres',
  };
  await open();
  await eventually(() => texts('.failed').length === 2 && texts('.zones tbody tr').length === 5);
  expect(h1()).toMatch(/people on site$/);
  expect(texts('.failed')[0]).toBe(
    'This chart could not be loaded. Live values above still work.Postgres does not answer. Request req-7Retry',
  );
  failing = {};
  await click(document.querySelector('.failed button'));
  await eventually(() => texts('[role=application]').length === 2);
});

test('a live part that fails leaves the charts alone', async () => {
  failing['/api/v1/overview'] = { type: 'x', title: 'Upstream unavailable', status: 503, component: 'redis' };
  await open();
  await eventually(() => texts('.failed').length === 2 && texts('.chart[role=application]').length === 2);
  expect(h1()).toBe('The live count could not be loaded.');
  expect(texts('.failed')[0]).toContain('Redis does not answer. Request req-7');
});

test('a step that is too fine is replaced by the one the server names, and said so', async () => {
  vi.stubGlobal('fetch', async (request: Request) => {
    const target = new URL(request.url);
    if (target.pathname === '/api/v1/series' && target.searchParams.get('step') === '60s') {
      return Response.json(
        { type: 'x', title: 'Too many points', status: 422, suggested_step: '15m' },
        { status: 422 },
      );
    }
    return answer(target);
  });
  await open();
  await eventually(() => texts('[role=application]').length === 2);
  expect(texts('.notice')).toContain(
    'Note1 min gives too many points for this range. Showing one per 15 min.',
  );
});

test('a browser in another zone is told once', async () => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  await open();
  await eventually(() => texts('.zones tbody tr').length > 0);
  const told = texts('.notice').filter((text) => text.includes('All times here are Europe/London'));
  expect(told).toHaveLength(['UTC', 'Europe/London'].includes(zone) ? 0 : 1);
});

test('pin times turns words into instants, and the period keys move by days', async () => {
  await open();
  await eventually(() => texts('[role=application]').length === 2);
  await press(document.body, '[');
  await eventually(() => url() === '?start=2026-11-23&end=2026-11-24');
  await press(document.body, ']');
  await eventually(() => url() === '');
  const pin = [...document.querySelectorAll('button')].find((button) => button.textContent === 'Pin times');
  await click(pin ?? null);
  await eventually(() => url().startsWith('?start=2026-11-24T00:00:00%2B00:00&end=2026-11-24T11:2'));
  await press(document.body, '.');
  await eventually(() => url() === '');
});

test('p pauses and resumes; typing in a field does neither; shortcuts can be turned off', async () => {
  await open();
  await eventually(() => sockets.length > 0 && texts('.zones tbody tr').length > 0);
  await act(async () => socket().welcome(campus.stamp(Date.now())));
  const status = () => texts('[data-testid="status"]')[0] ?? '';
  await press(document.body, 'p');
  expect(status()).toMatch(/^Paused at /);
  expect(
    socket()
      .of('rate')
      .every((frame) => frame.hz === 0),
  ).toBe(true);
  await press(document.body, 'p');
  expect(status()).toMatch(/^Live/);
  const field = document.createElement('input');
  document.body.append(field);
  await press(field, 'p');
  expect(status()).toMatch(/^Live/);
  await act(async () => setPrefs({ shortcuts: false }));
  await press(document.body, 'p');
  expect(status()).toMatch(/^Live/);
});

test('the wall has the number, the zones and no controls', async () => {
  await open('day', { display: 'wall' });
  await eventually(() => document.querySelector('.wall-n') !== null);
  expect(texts('.wall-n')[0]).toMatch(/^\d+$/);
  expect(texts('.zones tbody th')).toHaveLength(5);
  expect(document.querySelectorAll('button, input, select, a')).toHaveLength(0);
});

test('speaks German when asked to', async () => {
  await open('day', { lang: 'de' });
  await eventually(() => h1().endsWith('Personen vor Ort'));
  expect(document.documentElement.lang).toBe('de');
  expect(lede()).toContain('Sports hall meldet seit 14 min nichts und ist nicht mitgezählt.');
});
