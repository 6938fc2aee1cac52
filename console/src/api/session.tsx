/** The session for all views: undefined while it is unknown, null if nobody is signed in. */

import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useState } from "preact/hooks";
import { callApi, Problem, signedOut, type ResponseBody } from "./client";

export type Session = ResponseBody<"/console/session">;
export type Scope = "shares" | "audit" | "admin" | "analytics";

interface SessionState {
  readonly session: Session | null | undefined;
  readonly problem: Problem | undefined;
  readonly signIn: (code: string) => Promise<void>;
  readonly signOut: () => Promise<void>;
  readonly reload: () => void;
}

const Context = createContext<SessionState | null>(null);

export function SessionProvider({ children }: { children: ComponentChildren }) {
  const [session, set] = useState<Session | null>();
  const [problem, setProblem] = useState<Problem>();
  const reload = useCallback(() => {
    setProblem(undefined);
    callApi("get", "/console/session").then(set, (error: unknown) => {
      if (error instanceof Problem && error.status === 401) set(null);
      else if (error instanceof Problem) setProblem(error);
      else throw error;
    });
  }, []);
  useEffect(() => {
    const gone = () => set(null);
    signedOut.addEventListener("signed-out", gone);
    reload();
    return () => signedOut.removeEventListener("signed-out", gone);
  }, []);
  const signIn = async (code: string) => set(await callApi("post", "/console/session", { body: { code } }));
  const signOut = async () => {
    await callApi("delete", "/console/session");
    set(null);
  };
  return <Context.Provider value={{ session, problem, signIn, signOut, reload }}>{children}</Context.Provider>;
}

export function useSession(): SessionState {
  const state = useContext(Context);
  if (!state) throw new Error("outside of SessionProvider");
  return state;
}

/** Whether the user has one of these scopes; no scope implies another. */
export function useHasScope(): (...any: Scope[]) => boolean {
  const { session } = useSession();
  return (...any) => any.some((scope) => session?.scopes.includes(scope));
}
