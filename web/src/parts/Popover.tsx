/**
 * A button that opens a panel beside itself, on the browser's own popover: light dismiss, Escape, top
 * layer. The panel's content exists only while it is open, so every opening starts from the present state.
 */
import { type FocusEvent, type ReactNode, Suspense, useEffect, useId, useRef, useState } from 'react';

export interface PopoverProps {
  button: ReactNode;
  buttonClass: string;
  buttonId?: string;
  /** Names the panel for screen readers. */
  title: string;
  side?: 'start' | 'end' | 'above';
  children: (close: () => void) => ReactNode;
}

export function Popover({ button, buttonClass, buttonId, title, side = 'start', children }: PopoverProps) {
  const id = useId();
  const panel = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);

  const close = () => {
    panel.current?.hidePopover();
    opener.current?.focus();
  };
  // walking out with Tab must not leave the panel lying over the page
  const onBlur = (event: FocusEvent) => {
    const to = event.relatedTarget;
    if (to instanceof Node && !panel.current?.contains(to) && to !== opener.current)
      panel.current?.hidePopover();
  };

  return (
    <>
      <button
        ref={opener}
        id={buttonId}
        type="button"
        className={buttonClass}
        popoverTarget={id}
        aria-haspopup="dialog"
        aria-expanded={open}
      >
        {button}
      </button>
      <div
        ref={panel}
        id={id}
        popover="auto"
        role="dialog"
        aria-label={title}
        className={`panel popover popover-${side}`}
        onToggle={(event) => setOpen(event.newState === 'open')}
        onBlur={onBlur}
      >
        {open && (
          <Suspense fallback={<span className="sk sk-panel" />}>
            <FocusFirst panel={panel.current} />
            {children(close)}
          </Suspense>
        )}
      </div>
    </>
  );
}

/** Moves the focus into the panel once its content is there. */
function FocusFirst({ panel }: { panel: HTMLElement | null }) {
  useEffect(() => {
    panel?.querySelector<HTMLElement>('input, select, button, a[href]')?.focus();
  }, [panel]);
  return null;
}
