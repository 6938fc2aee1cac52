/** What a view shows stands in its address: read from there, and changed there. */

import { useCallback } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { search } from "./urls";

export interface ViewQuery {
  readonly query: Readonly<Record<string, string>>;
  /** This view with other fields; what is empty is left out. */
  readonly to: (fields: Readonly<Record<string, string | null | undefined>>) => string;
  /** Go there; a filter replaces, so that Back leaves the view and not each letter. */
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
