/** One action of the user: running, failed, or done. */

import { useCallback, useRef, useState } from "preact/hooks";
import { Problem } from "./client";

export interface Action {
  readonly busy: boolean;
  readonly problem: Problem | undefined;
  /** Resolves to whether it succeeded. While it is running, another call does nothing. */
  readonly run: (work: () => Promise<void>) => Promise<boolean>;
  readonly clearProblem: () => void;
}

export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const running = useRef(false);
  const run = useCallback(async (work: () => Promise<void>) => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setProblem(undefined);
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  const clearProblem = useCallback(() => setProblem(undefined), []);
  return { busy, problem, run, clearProblem };
}
