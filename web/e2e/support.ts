/** Shared by the browser tests: states of the server by interception, publishing, and axe. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, type Page } from '@playwright/test';
import type { Result } from 'axe-core';
import { Campus } from '../dev/model';
import type { Problem } from '../src/api/types';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const AXE_TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export type State = 'loaded' | 'empty' | 'error';

/** Opens Today in a state: as the server has it, as a new site, or with everything but the site failing. */
export async function open(page: Page, state: State = 'loaded', path = '/'): Promise<void> {
  if (state === 'empty') await intercept(page);
  if (state === 'error') await fail(page);
  await page.goto(path);
  const ready = { loaded: '.zones tbody tr, .steps', empty: '.steps', error: '.failed' }[state];
  await expect(page.locator(ready).first()).toBeVisible();
  if (state === 'loaded') await expect(page.getByTestId('status')).toContainText('Live');
}

/** A site that nothing has ever published to. */
async function intercept(page: Page): Promise<void> {
  const campus = new Campus('empty');
  await page.route('**/api/v1/overview*', (route) =>
    route.fulfill({ json: { ...campus.overview({}, Date.now()), zones: [], silent_sensors: [] } }),
  );
  await page.route('**/api/v1/series*', (route) => route.fulfill({ json: campus.series({}, Date.now()) }));
  await quietStream(page);
}

/** A server whose stores are away; the site's settings still come. */
async function fail(page: Page): Promise<void> {
  const problem: Problem = {
    type: 'https://footfall.dev/problems/upstream-unavailable',
    title: 'Upstream unavailable',
    status: 503,
    component: 'postgres',
    request_id: '0193545a-3f6e-7bd1',
  };
  for (const path of ['overview', 'series', 'sensors', 'zones', 'traveler-types']) {
    await page.route(`**/api/v1/${path}*`, (route) =>
      route.fulfill({ status: 503, contentType: 'application/problem+json', json: problem }),
    );
  }
  await quietStream(page);
}

/** A stream that greets and then has nothing to say. */
async function quietStream(page: Page): Promise<void> {
  await page.routeWebSocket('**/api/v1/stream', (socket) => {
    const server_time = new Date().toISOString();
    socket.send(JSON.stringify({ t: 'welcome', session: 's', server_time, hb_s: 10, max_subs: 16, v: 1 }));
    setInterval(
      () =>
        socket.send(
          JSON.stringify({ t: 'hb', server_time: new Date().toISOString(), lag_ms: null, watermark: null }),
        ),
      5_000,
    ).unref();
  });
}

/** The rules of axe that are broken, in a form that says where. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(async (tags): Promise<Result[]> => {
    const axe = (globalThis as unknown as { axe: typeof import('axe-core') }).axe;
    return (await axe.run(document, { runOnly: { type: 'tag', values: tags } })).violations;
  }, AXE_TAGS);
  return found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary}`),
  );
}

/** One position, published as a device would: by a program that is not ours, waiting for the PUBACK. */
export function publish(sensor: string, traveler: string, x: number): Promise<void> {
  const [host = '', port = ''] = (process.env.FOOTFALL_MQTT_ADDR ?? '').split(':');
  const payload = JSON.stringify({ traveler_id: traveler, x, y: 1.5 });
  const topic = `footfall/main/${sensor}/positions`;
  const args = ['-h', host, '-p', port, '-q', '1', '-i', `e2e-${traveler}-${x}`, '-t', topic, '-m', payload];
  return run('mosquitto_pub', args);
}

/** One position each of so many travelers, published by paho. */
export function publishWithPaho(sensor: string, travelers: number): Promise<void> {
  const [host = '', port = ''] = (process.env.FOOTFALL_MQTT_ADDR ?? '').split(':');
  const script = new URL('../../tests/clients/publish_paho.py', import.meta.url).pathname;
  return run('/usr/bin/python3', [script, host, port, sensor, `${travelers}`]);
}

function run(program: string, args: string[]): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', fail);
    child.once('exit', (code) => (code === 0 ? done() : fail(new Error(`${program} ended with ${code}`))));
  });
}

/** How far the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
