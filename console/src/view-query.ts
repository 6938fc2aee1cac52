/** The state of a view is kept in the query of its URL, where it is read and changed. */

import { useCallback } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { search } from "./urls";

export interface ViewQuery {
  readonly query: Readonly<Record<string, string>>;
  /** The URL of this view with these fields changed; empty fields are left out. */
  readonly to: (fields: Readonly<Record<string, string | null | undefined>>) => string;
  /** Go to that URL; by default without a new history entry, so that Back leaves the view. */
  readonly go: (fields: Readonly<Record<string, string | null | undefined>>, how?: "push" | "replace") => void;
}

export function useViewQuery(): ViewQuery {
  const { path, query, route } = useLocation();
  const to = useCallback(
    (fields: Readonly<Record<string, string | null | undefined>>) => path + search({ ...query, ...fields }),
    [path, query],
  );
  const go = useCallback(
    (fields: Readonly<Record<string, string | null | undefined>>, how: "push" | "replace" = "replace") =>
      route(to(fields), how === "replace"),
    [route, to],
  );
  return { query, to, go };
}
