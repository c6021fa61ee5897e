import { expect, test } from '@playwright/test';
import { open, overflow, type State, violations } from './support';

const STATES: State[] = ['loaded', 'empty', 'error'];

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [1360, 390]) {
    test.describe(`${colorScheme}, ${width} px`, () => {
      test.use({ colorScheme, viewport: { width, height: 844 } });

      for (const state of STATES) {
        test(`axe finds nothing: ${state}`, async ({ page }) => {
          await open(page, state);
          expect(await violations(page)).toEqual([]);
        });
      }

      test('axe finds nothing: panels, table, help, wall', async ({ page }) => {
        await open(page);
        for (const name of ['Where', 'Who', 'When', 'Per']) {
          await page.getByRole('button', { name: new RegExp(`^${name} `) }).click();
          await expect(page.getByRole('dialog', { name })).toBeVisible();
          await expect(page.locator('.sk-panel')).toHaveCount(0);
          expect(await violations(page)).toEqual([]);
          await page.keyboard.press('Escape');
        }
        await page
          .getByRole('button', { name: /^Table/ })
          .first()
          .click();
        await expect(page.locator('table.data')).toBeVisible();
        expect(await violations(page)).toEqual([]);
        await page.getByRole('button', { name: /^Keyboard/ }).click();
        await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible();
        expect(await violations(page)).toEqual([]);
        await page.goto('/?display=wall');
        await expect(page.locator('.wall .zones tbody tr').first()).toBeVisible();
        expect(await violations(page)).toEqual([]);
      });
    });
  }
}

test('the checker finds a fault that is planted', async ({ page }) => {
  await open(page);
  await page.evaluate(() =>
    document.querySelector('main')?.insertAdjacentHTML('beforeend', '<button></button>'),
  );
  expect((await violations(page)).join()).toContain('button-name');
});

test('and so does the measure of what is too wide', async ({ page }) => {
  await open(page);
  await page.evaluate(() => {
    const wide = document.createElement('p');
    wide.textContent = 'wide';
    wide.style.width = '3000px';
    document.querySelector('main')?.append(wide);
  });
  expect(await overflow(page)).toBeGreaterThan(0);
});
