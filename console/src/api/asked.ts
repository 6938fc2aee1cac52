/** What a view asked for: the last answer stays while the next one is on its way, so that nothing jumps. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { address, ask, Problem, type Answer, type PathsOf, type Request } from "./client";

export interface Asked<T> {
  readonly data: T | undefined;
  readonly problem: Problem | undefined;
  /** Nothing to show yet, or what is shown belongs to an earlier question. */
  readonly waiting: boolean;
  readonly again: () => void;
}

interface State<T> {
  readonly about: string;
  readonly where: string;
  readonly data?: T | undefined;
  readonly problem?: Problem | undefined;
}

/** Ask when the address changes, and every `every` milliseconds while the page is seen. Null asks nothing. */
export function useAsked<P extends PathsOf<"get">>(
  template: P | null,
  request: Request<P, "get"> = {},
  every = 0,
): Asked<Answer<P>> {
  const about = template === null ? "" : address(template, request.path);
  const where = template === null ? "" : address(template, request.path, request.query ?? {});
  const [state, set] = useState<State<Answer<P>>>({ about, where: "" });
  const [turn, setTurn] = useState(0);
  const running = useRef<AbortController | undefined>(undefined);
  const again = useCallback(() => setTurn((before) => before + 1), []);

  useEffect(() => {
    if (template === null) return;
    const control = new AbortController();
    running.current = control;
    ask("get", template, { ...request, signal: control.signal }).then(
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
    // What takes longer than a turn is waited for, or it would never be seen.
    const timer = setInterval(() => document.hidden || running.current || again(), every);
    return () => clearInterval(timer);
  }, [every, again]);

  const same = state.about === about;
  return {
    data: same ? state.data : undefined,
    problem: state.where === where ? state.problem : undefined,
    waiting: template !== null && state.where !== where,
    again,
  };
}
