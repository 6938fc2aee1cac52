/** Hooks for live data. */

import { useEffect, useState } from "preact/hooks";
import { live, type LiveCount, type Minute, type ConnectionState } from "./socket";

export const MINUTES = 60;

/** The state of the connection. */
export function useConnectionState(): ConnectionState {
  const [state, set] = useState(live.state);
  useEffect(() => live.observe(set), []);
  return state;
}

/** The live count of a content; an older version never replaces a newer one. */
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

/** The activity of the last hour by minute; undefined until the first message arrives. */
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

/** The current time, updated every `every` milliseconds. */
export function useNow(every: number): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
