/** Gives an element the focus when it appears in the place of one that had it. */
import { type RefObject, useEffect } from 'react';

export function useTakeFocus(element: RefObject<HTMLElement | null>, takes: boolean): void {
  useEffect(() => {
    if (takes) element.current?.focus();
  }, [element, takes]);
}
