/** Who is signed in, for every view; undefined while it is not known yet, null when nobody is. */

import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useState } from "preact/hooks";
import { ask, Problem, signedOut, type Answer } from "./client";

export type Session = Answer<"/console/session">;
export type Scope = "shares" | "audit" | "admin" | "analytics";

interface Signed {
  readonly session: Session | null | undefined;
  readonly problem: Problem | undefined;
  readonly signIn: (code: string) => Promise<void>;
  readonly signOut: () => Promise<void>;
  readonly look: () => void;
}

const Context = createContext<Signed | null>(null);

export function SessionProvider({ children }: { children: ComponentChildren }) {
  const [session, set] = useState<Session | null>();
  const [problem, setProblem] = useState<Problem>();
  const look = useCallback(() => {
    setProblem(undefined);
    ask("get", "/console/session").then(set, (error: unknown) => {
      if (error instanceof Problem && error.status === 401) set(null);
      else if (error instanceof Problem) setProblem(error);
      else throw error;
    });
  }, []);
  useEffect(() => {
    const gone = () => set(null);
    signedOut.addEventListener("signed-out", gone);
    look();
    return () => signedOut.removeEventListener("signed-out", gone);
  }, []);
  const signIn = async (code: string) => set(await ask("post", "/console/session", { body: { code } }));
  const signOut = async () => {
    await ask("delete", "/console/session");
    set(null);
  };
  return <Context.Provider value={{ session, problem, signIn, signOut, look }}>{children}</Context.Provider>;
}

export function useSigned(): Signed {
  const signed = useContext(Context);
  if (!signed) throw new Error("outside of SessionProvider");
  return signed;
}

/** Whether the person may; no scope implies another. */
export function useMay(): (...any: Scope[]) => boolean {
  const { session } = useSigned();
  return (...any) => any.some((scope) => session?.scopes.includes(scope));
}
