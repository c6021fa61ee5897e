import { expect, test } from '@playwright/test';
import { open } from './support';

test.beforeEach(({ page }) => open(page));

const focused = (page: import('@playwright/test').Page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    return `${element?.tagName.toLowerCase()} ${element?.getAttribute('aria-label') ?? element?.textContent ?? ''}`.trim();
  });

test('tab walks the page in the order of reading, and every stop is seen', async ({ page }) => {
  const stops: string[] = [];
  for (let i = 0; i < 40; i += 1) {
    await page.keyboard.press('Tab');
    const stop = await focused(page);
    if (stop.startsWith('body')) break;
    stops.push(stop);
    const outline = await page.evaluate(
      () => getComputedStyle(document.activeElement ?? document.body).outlineStyle,
    );
    expect(outline, stop).not.toBe('none');
  }
  const order = [
    'Skip to the answer',
    'footfall',
    'Today',
    'Pause',
    'Where',
    'Who',
    'When',
    'Per',
    'Pin times',
    'CSV',
    'Print',
    'Table',
    'Entering',
    'Table',
    'Walking',
    'Keyboard',
  ];
  let at = -1;
  for (const name of order) {
    const next = stops.findIndex((stop, i) => i > at && stop.includes(name));
    expect(next, `${name} after ${stops[at] ?? 'the start'} in ${stops.join(' | ')}`).toBeGreaterThan(at);
    at = next;
  }
});

test('skip goes to the answer', async ({ page }) => {
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
});

test('slash opens Where; a choice is made, and Back undoes it', async ({ page }) => {
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox')).toBeFocused();
  const boxes = page.getByRole('dialog', { name: 'Where' }).getByRole('checkbox');
  await expect(boxes.first()).toBeVisible();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\?sensor=/);
  await expect(page.getByRole('dialog', { name: 'Where' })).toBeHidden();
  await expect(page.locator('#filter-where')).toBeFocused();
  await expect(page.locator('#filter-where')).not.toContainText('All');
  await page.goBack();
  await expect(page).not.toHaveURL(/sensor=/);
  await expect(page.locator('#filter-where')).toContainText('All');
});

test('escape closes a panel and gives the focus back', async ({ page }) => {
  const when = page.getByRole('button', { name: /^When/ });
  await when.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'When' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'When' })).toBeHidden();
  await expect(when).toBeFocused();
});

test('times that make no sense are refused where they stand', async ({ page }) => {
  await page.getByRole('button', { name: /^When/ }).click();
  const panel = page.getByRole('dialog', { name: 'When' });
  await panel.getByLabel('Start').fill('2026-11-24T06:00');
  await panel.getByLabel('End').fill('2026-11-24T05:00');
  await panel.getByRole('button', { name: 'Show' }).click();
  await expect(panel.getByRole('alert')).toContainText('The end must be after the start');
  await expect(panel.getByLabel('End')).toHaveAttribute('aria-invalid', 'true');
  await panel.getByRole('button', { name: 'Last hour' }).click();
  await expect(page).toHaveURL(/start=now-1h/);
});

test('a chart is read point by point, as a table, and back', async ({ page }) => {
  const chart = page.getByRole('application').first();
  await chart.focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  const reading = page.getByTestId('reading').first();
  await expect(reading).toHaveText(/^\d\d:\d\d, /);
  const first = await reading.textContent();
  await page.keyboard.press('Shift+ArrowLeft');
  await expect(reading).not.toHaveText(first ?? '');
  await page.keyboard.press('t');
  await expect(page.locator('table.data')).toBeVisible();
  await expect(page.locator('table.data tbody tr').first()).toBeVisible();
  await expect(page.locator('.scroll')).toBeFocused();
  await page.keyboard.press('t');
  await expect(page.getByRole('application').first()).toBeFocused();
});

test('p pauses, ? helps, the periods go back and forth, and all of it can be turned off', async ({
  page,
}) => {
  await page.keyboard.press('p');
  await expect(page.getByTestId('status')).toContainText('Paused');
  await page.keyboard.press('p');
  await expect(page.getByTestId('status')).toContainText('Live');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.keyboard.press('[');
  await expect(page).toHaveURL(/start=\d{4}-\d\d-\d\d&end=\d{4}-\d\d-\d\d$/);
  await page.keyboard.press('.');
  await expect(page).not.toHaveURL(/start=/);

  await page.locator('.site').click();
  await page.getByRole('checkbox', { name: 'Keyboard shortcuts' }).uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('p');
  await page.waitForTimeout(300);
  await expect(page.getByTestId('status')).toContainText('Live');
});

test('the colours can be chosen and are remembered', async ({ page }) => {
  await page.locator('.site').click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});
