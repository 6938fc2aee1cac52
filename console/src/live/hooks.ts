/** What is live, for views. */

import { useEffect, useState } from "preact/hooks";
import { live, type LiveCount, type Minute, type ConnectionState } from "./socket";

export const MINUTES = 60;

/** How the connection stands. */
export function useConnectionState(): ConnectionState {
  const [state, set] = useState(live.state);
  useEffect(() => live.observe(set), []);
  return state;
}

/** A content's count, as soon as it moves; a version never goes back. */
export function useLiveCount(contentType: string, contentId: string): LiveCount | undefined {
  const [count, set] = useState<LiveCount>();
  useEffect(() => {
    set(undefined);
    return live.subscribe({ contentType, contentId }, (message) => {
      if (!("version" in message)) return;
      set((before) => (before && before.version > message.version ? before : message));
    });
  }, [contentType, contentId]);
  return count;
}

/** Shares by minute (milliseconds) and channel. */
export type Activity = ReadonlyMap<number, ReadonlyMap<string, number>>;

/** The last hour, minute by minute; undefined until the service has told it once. */
export function useActivity(): Activity | undefined {
  const [activity, set] = useState<Activity>();
  useEffect(
    () =>
      live.subscribe("activity", (message) => {
        if ("activity" in message) set((before) => mergeMinutes(before, message.activity));
      }),
    [],
  );
  return activity;
}

function mergeMinutes(before: Activity | undefined, minutes: readonly Minute[]): Activity {
  const oldest = Date.now() - (MINUTES + 1) * 60_000;
  const next = new Map([...(before ?? [])].filter(([at]) => at >= oldest));
  for (const { minute, channel, shares } of minutes) {
    const at = Date.parse(minute);
    next.set(at, new Map(next.get(at) ?? []).set(channel, shares));
  }
  return next;
}

/** The time, told anew every so often. */
export function useNow(every: number): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
