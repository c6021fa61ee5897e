import { expect, test } from '@playwright/test';

test.skip(process.env.FOOTFALL_HTTP === undefined, 'the mock refuses nothing');

test('a refused question shows what the server said, and the request to quote', async ({ page }) => {
  const ids: (string | undefined)[] = [];
  page.on('response', (response) => {
    if (response.status() === 400) ids.push(response.headers()['x-request-id']);
  });
  await page.goto('/?sensor=nosuch');
  const failed = page.locator('.failed').first();
  await expect(failed).toContainText('Invalid parameter: sensor: no sensor has the id "nosuch"');
  const shown = /Request ([0-9a-f-]{36})/.exec((await failed.textContent()) ?? '')?.[1];
  expect(ids).toContain(shown);
});
