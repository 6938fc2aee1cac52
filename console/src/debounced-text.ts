/** A text field whose value is reported once the user stops typing. */

import { useEffect, useRef, useState } from "preact/hooks";

const PAUSE = 250;

/** The text as typed; `onSettled` is called once it stops changing, and a new `value` replaces it at once. */
export function useDebouncedText(value: string, onSettled: (text: string) => void): [string, (text: string) => void] {
  const [text, setText] = useState(value);
  const last = useRef(value);
  const latestCallback = useRef(onSettled); // an old callback would undo what other fields have changed since
  latestCallback.current = onSettled;
  useEffect(() => {
    if (value === last.current) return;
    last.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === last.current) return;
    const timer = setTimeout(() => {
      last.current = text;
      latestCallback.current(text);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
}
