/** Small values that many views show: a time, a number, a status, a content, a text to copy. */

import { useEffect, useState } from "preact/hooks";
import { dated, moment, relative } from "../locale";
import { view } from "../urls";
import { Icon } from "./icon";

/** A time; the tooltip shows the seconds. */
export function Timestamp({ at }: { at: string }) {
  const date = new Date(at);
  return (
    <time dateTime={at} title={moment(date)}>
      {dated(date)}
    </time>
  );
}

/** A time relative to now. */
export function RelativeTime({ at, now }: { at: string; now: number }) {
  const date = new Date(at);
  return (
    <time dateTime={at} title={moment(date)}>
      {relative(date, now)}
    </time>
  );
}

export const NoValue = () => <span class="soft none">–</span>;

/** A name, cut off if there is no room for it. */
export function TruncatedText({ text }: { text: string | null }) {
  if (text === null) return <NoValue />;
  return (
    <span class="clip clipped" dir="auto" title={text}>
      {text}
    </span>
  );
}

const TONES: Record<string, string> = {
  success: "good",
  failed: "bad",
  unknown: "wait",
  pending: "wait",
  sending: "wait",
  withdrawn: "soft",
  replayed: "good",
  discarded: "soft",
  cancelled: "soft",
  scheduled: "soft",
};

/** One word on a coloured background; the word says everything without the colour. */
export function Badge({ word, tone }: { word: string; tone?: string }) {
  return <span class={`badge ${tone ?? TONES[word] ?? "soft"}`}>{word.replaceAll("_", " ")}</span>;
}

/** A link to the page of a content. */
export function ContentLink({ type, id, title }: { type: string; id: string; title?: string | null | undefined }) {
  return (
    <a class="content-name" href={view(["content", type, id])} title={`${type} ${id}`}>
      <span class="kind">{type}</span>
      <span class="clip" dir="auto">
        {title || id}
      </span>
    </a>
  );
}

/** Copies a text and confirms it briefly. */
export function CopyButton({ text, label, small = true }: { text: string; label: string; small?: boolean }) {
  const [done, set] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => set(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button
      type="button"
      class={small ? "button small quiet" : "button"}
      title={label}
      aria-label={small ? label : undefined}
      onClick={() => void copyToClipboard(text).then(() => set(true))}
    >
      <Icon name={done ? "check" : "copy"} />
      {!small && (done ? "Copied" : label)}
      <span class="hidden" role="status">
        {done && "Copied"}
      </span>
    </button>
  );
}

/** For pages that another host serves without TLS: browsers do not give them the clipboard API. */
async function copyToClipboard(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
