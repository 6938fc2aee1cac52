/** Text that somebody types, told on when they pause. */

import { useEffect, useRef, useState } from "preact/hooks";

const PAUSE = 250;

/** The text as typed; `onSettled` is told once it has not changed for a moment, and at once when `value` changes. */
export function useDebouncedText(value: string, onSettled: (text: string) => void): [string, (text: string) => void] {
  const [text, write] = useState(value);
  const last = useRef(value);
  const latestCallback = useRef(onSettled); // the newest: what another field has changed since must not be taken back
  latestCallback.current = onSettled;
  useEffect(() => {
    if (value === last.current) return;
    last.current = value;
    write(value);
  }, [value]);
  useEffect(() => {
    if (text === last.current) return;
    const timer = setTimeout(() => {
      last.current = text;
      latestCallback.current(text);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, write];
}
