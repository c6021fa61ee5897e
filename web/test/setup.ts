/** What the tests' browser lacks: Temporal on Node 20, and React's word that it is a test. */
import 'temporal-polyfill/global';
import { afterEach } from 'vitest';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

afterEach(() => {
  document.body.replaceChildren();
  localStorage.clear();
});
