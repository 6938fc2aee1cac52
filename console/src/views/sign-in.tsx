/** Signed out: a one-time link, or the company's own sign-in where there is one. */

import { useEffect, useState } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { useAsked } from "../api/asked";
import { useDoing } from "../api/doing";
import { useSigned } from "../api/session";
import { base, outside, search } from "../places";
import { Form } from "../parts/dialog";
import { Field } from "../parts/field";
import { Icon, Mark } from "../parts/icon";
import { Failed } from "../parts/states";

const CODE = /^[\w-]{43}$/; // and no other fragment, like that of a link within a page
const PAGE = `${base}sign-in`;

/** Where to go afterwards: only ever a place of the console. */
function wanted(query: Record<string, string>, url: string): string {
  const told = query["return"] ?? (url.startsWith(PAGE) ? "" : url);
  return told.startsWith(base) ? told : base.replace(/\/$/, "");
}

export function SignIn() {
  const { url, query, route } = useLocation();
  const { signIn } = useSigned();
  const doing = useDoing();
  const [code, write] = useState("");
  const { data: options } = useAsked("/console/options");
  const onward = wanted(query, url);

  const enter = (given: string) =>
    doing.run(async () => {
      await signIn(given.trim().split("#").at(-1) ?? "");
      route(onward, true);
    });
  useEffect(() => {
    document.title = "Sign in · Sharetally";
    const given = location.hash.slice(1);
    if (!CODE.test(given)) return;
    history.replaceState(null, "", location.pathname + location.search);
    void enter(given);
  }, []);

  return (
    <main class="sign-in">
      <div class="card">
        <Mark />
        <h1>Sign in to Sharetally</h1>
        {options?.oidc && (
          <>
            <a class="button strong" href={outside("/console/sign-in/oidc") + search({ return: onward })} target="_top">
              <Icon name="person" />
              Sign in with your organisation
            </a>
            <p class="or soft">or</p>
          </>
        )}
        <p class="soft">
          Run <code>sharetally console</code> where the service runs. It prints a link that works once, for ten minutes.
        </p>
        <Form doing={doing} word="Sign in" off={!code.trim()} submit={() => void enter(code)}>
          <Field label="Link or code" value={code} change={write} required max={2048} placeholder="Paste it here" />
        </Form>
      </div>
    </main>
  );
}

/** Whether somebody is signed in could not be found out. */
export function Unknown() {
  const { problem, look } = useSigned();
  return <main class="sign-in">{problem && <Failed problem={problem} again={look} />}</main>;
}
