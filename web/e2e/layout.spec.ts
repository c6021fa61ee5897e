import { expect, test } from '@playwright/test';
import { open, overflow, type State } from './support';

for (const width of [320, 390, 768, 1000, 1360]) {
  test.describe(`${width} px`, () => {
    test.use({ viewport: { width, height: 800 } });

    for (const state of ['loaded', 'empty', 'error'] satisfies State[]) {
      test(`nothing is wider than the window: ${state}`, async ({ page }) => {
        await open(page, state);
        expect(await overflow(page)).toBe(0);
      });
    }

    test('nor are the table, the panels and the wall', async ({ page }) => {
      await open(page);
      await page
        .getByRole('button', { name: /^Table/ })
        .first()
        .click();
      await expect(page.locator('table.data')).toBeVisible();
      expect(await overflow(page)).toBe(0);
      for (const name of ['Where', 'Who', 'When', 'Per']) {
        await page.getByRole('button', { name: new RegExp(`^${name} `) }).click();
        const box = await page.getByRole('dialog', { name }).boundingBox();
        expect(box?.x).toBeGreaterThanOrEqual(0);
        expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(width);
        await page.keyboard.press('Escape');
      }
      await page.goto('/?display=wall');
      await expect(page.locator('.wall .zones tbody tr').first()).toBeVisible();
      expect(await overflow(page)).toBe(0);
    });
  });
}

test('nothing moves while the page fills itself', async ({ page }) => {
  await page.addInitScript(() => {
    Object.assign(window, { shift: 0 });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number })[]) {
        (window as unknown as { shift: number }).shift += entry.value;
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await open(page);
  await expect(page.locator('.plot-canvas canvas')).toHaveCount(2);
  await page.waitForTimeout(1_500);
  expect(await page.evaluate(() => (window as unknown as { shift: number }).shift)).toBeLessThanOrEqual(0.02);
});

test('touch targets on a phone are 44 px tall', async ({ browser }) => {
  const context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  const page = await context.newPage();
  await open(page);
  const small = await page
    .locator('button:visible, .bar a:visible')
    .evaluateAll((elements) =>
      elements
        .map((element) => ({ text: element.textContent, height: element.getBoundingClientRect().height }))
        .filter(({ height }) => height < 43.5),
    );
  expect(small).toEqual([]);
  await context.close();
});
