/** Data for a view: the last response stays until the next one arrives, so that the layout does not jump. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { requestUrl, callApi, Problem, type ResponseBody, type PathsOf, type Request } from "./client";

export interface QueryResult<T> {
  readonly data: T | undefined;
  readonly problem: Problem | undefined;
  /** Whether there is no response yet, or only that of an earlier request. */
  readonly loading: boolean;
  readonly refetch: () => void;
}

interface State<T> {
  readonly about: string;
  readonly where: string;
  readonly data?: T | undefined;
  readonly problem?: Problem | undefined;
}

/**
 * Request when the URL changes, and every `every` milliseconds while the page is visible, and at once when it becomes
 * visible again. Null requests nothing.
 */
export function useQuery<P extends PathsOf<"get">>(
  template: P | null,
  request: Request<P, "get"> = {},
  every = 0,
): QueryResult<ResponseBody<P>> {
  const about = template === null ? "" : requestUrl(template, request.path);
  const where = template === null ? "" : requestUrl(template, request.path, request.query ?? {});
  const [state, set] = useState<State<ResponseBody<P>>>({ about, where: "" });
  const [turn, setTurn] = useState(0);
  const running = useRef<AbortController | undefined>(undefined);
  const refetch = useCallback(() => setTurn((before) => before + 1), []);

  useEffect(() => {
    if (template === null) return;
    const control = new AbortController();
    running.current = control;
    callApi("get", template, { ...request, signal: control.signal }).then(
      (data) => {
        if (control.signal.aborted) return;
        running.current = undefined;
        set({ about, where, data });
      },
      (problem: unknown) => {
        if (control.signal.aborted) return;
        running.current = undefined;
        if (!(problem instanceof Problem)) throw problem;
        set((before) => ({ about, where, problem, data: before.about === about ? before.data : undefined }));
      },
    );
    return () => {
      running.current = undefined;
      control.abort();
    };
  }, [where, turn]);

  useEffect(() => {
    if (!every) return;
    // Skipped while a request is running: repeating it would abort a slow request before its response arrives.
    const refresh = () => document.hidden || running.current || refetch();
    const timer = setInterval(refresh, every);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [every, refetch]);

  const same = state.about === about;
  return {
    data: same ? state.data : undefined,
    problem: state.where === where ? state.problem : undefined,
    loading: template !== null && state.where !== where,
    refetch,
  };
}
