import { expect, test } from '@playwright/test';
import { open, publish, publishWithPaho } from './support';

test('a count changes live while somebody publishes', async ({ page }) => {
  await open(page);
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));
  const unassigned = page.locator('[data-zone="unassigned"] .z-now');
  const counted = async () =>
    (await unassigned.count()) === 0
      ? 0
      : Number(((await unassigned.textContent()) ?? '').replace(/\D/g, ''));
  const before = await counted();

  const sensor = `e2e-${Date.now().toString(36)}`;
  for (let i = 0; i < 5; i += 1) {
    await publish(sensor, `${sensor}-${i}`, i);
  }

  await expect.poll(counted).toBeGreaterThanOrEqual(before + 5);
  await publishWithPaho(`${sensor}-paho`, 4);
  await expect.poll(counted).toBeGreaterThanOrEqual(before + 9);
  await expect(page.locator('h1')).toContainText(/\d/);
  await expect(page.getByTestId('status')).toContainText('Live');
  expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true);
});

test('paused, nothing moves; resumed, it catches up', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Pause' }).first().click();
  await expect(page.getByTestId('status')).toContainText('Paused at');
  const sensor = `e2e-p-${Date.now().toString(36)}`;
  await publish(sensor, sensor, 1);
  const table = page.locator('.zones tbody');
  const before = await table.textContent();
  await page.waitForTimeout(3_000);
  expect(await table.textContent()).toBe(before);
  await page.getByRole('button', { name: 'Resume' }).first().click();
  await expect(page.getByTestId('status')).toContainText('Live');
  await expect(page.locator('[data-zone="unassigned"]')).toBeVisible();
});

test('where the socket is blocked, the page polls and still moves', async ({ page }) => {
  await page.routeWebSocket('**/api/v1/stream', (socket) => socket.close({ code: 1011 }));
  await page.goto('/');
  await expect(page.getByTestId('status')).toHaveText('Polling every 10 s', { timeout: 30_000 });
  await expect(page.locator('.zones tbody tr, .steps li').first()).toBeVisible();
  const sensor = `e2e-q-${Date.now().toString(36)}`;
  for (let i = 0; i < 3; i += 1) {
    await publish(sensor, `${sensor}-${i}`, i);
  }
  await expect(page.locator('[data-zone="unassigned"]')).toBeVisible({ timeout: 25_000 });
});

test('the lines are drawn, and drawn again for the dark and for paper', async ({ page }) => {
  await open(page);
  const canvas = page.locator('.plot-canvas canvas').first();
  await expect(canvas).toBeVisible();
  const colours = () =>
    canvas.evaluate((element) => {
      const { width, height } = element as HTMLCanvasElement;
      const pixels =
        (element as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height).data ?? [];
      const seen = new Map<string, number>();
      for (let i = 0; i < pixels.length; i += 4) {
        if ((pixels[i + 3] ?? 0) < 255) continue;
        const colour = `${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`;
        seen.set(colour, (seen.get(colour) ?? 0) + 1);
      }
      return [...seen.keys()];
    });
  // --s1 of the light and of the dark scheme, or their tails where everything is still arriving
  const light = ['11,95,102', '134,175,178'];
  const dark = ['79,184,181', '47,106,106'];
  const has = (wanted: string[]) => async () => (await colours()).some((colour) => wanted.includes(colour));
  await expect.poll(has(light)).toBe(true);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expect.poll(has(dark)).toBe(true);
  await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
  await expect.poll(has(light)).toBe(true);
  await page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
  await expect.poll(has(dark)).toBe(true);
});

test('the page says nothing to the console, and asks nobody but its own server', async ({
  page,
  baseURL,
}) => {
  const said: string[] = [];
  const strangers: string[] = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  page.on('request', (request) => !request.url().startsWith(baseURL ?? '') && strangers.push(request.url()));
  await open(page);
  await page.waitForTimeout(2_000);
  expect(said).toEqual([]);
  expect(strangers.filter((url) => !url.startsWith('blob:'))).toEqual([]);
});

test('the CSV holds the rows of the charts', async ({ page }) => {
  await open(page);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'CSV' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^footfall_main_.*\.csv$/);
  const text = await (await download.createReadStream()).toArray();
  const [head, first] = Buffer.concat(text).toString('utf8').split('\r\n');
  expect(head).toBe(
    'window_start,window_end,sensor,type,entries,speed_avg,speed_min,speed_max,coverage,state',
  );
  expect(first).toMatch(
    /^\d{4}-\d\d-\d\dT00:00:00[+-]\d\d:\d\d,\d{4}-\d\d-\d\dT00:01:00[+-]\d\d:\d\d,all,all,/,
  );
});
