/** Lets any part of the page open the keyboard help, which the shell owns. */
import { createContext, useContext } from 'react';

export const HelpContext = createContext<() => void>(() => {});

export function useOpenHelp(): () => void {
  return useContext(HelpContext);
}
