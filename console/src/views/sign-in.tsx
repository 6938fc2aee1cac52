/** The sign-in page: by a one-time link, or through OpenID Connect where it is configured. */

import { useEffect, useState } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { useQuery } from "../api/query";
import { useAction } from "../api/action";
import { useSession } from "../api/session";
import { base, serviceUrl, search } from "../urls";
import { Form } from "../components/dialog";
import { Field } from "../components/field";
import { Icon, Mark } from "../components/icon";
import { ProblemNotice } from "../components/states";

const CODE = /^[\w-]{43}$/; // no other fragment, such as that of a link within a page, looks like this
const PAGE = `${base}sign-in`;

/** The page to open after signing in, which is always one of the console. */
function returnTarget(query: Record<string, string>, url: string): string {
  const target = query["return"] ?? (url.startsWith(PAGE) ? "" : url);
  return target.startsWith(base) ? target : base.replace(/\/$/, "");
}

export function SignIn() {
  const { url, query, route } = useLocation();
  const { signIn } = useSession();
  const action = useAction();
  const [code, setCode] = useState("");
  const { data: options } = useQuery("/console/options");
  const returnTo = returnTarget(query, url);

  const submitCode = (pasted: string) =>
    action.run(async () => {
      await signIn(pasted.trim().split("#").at(-1) ?? "");
      route(returnTo, true);
    });
  useEffect(() => {
    document.title = "Sign in · Sharetally";
    const pasted = location.hash.slice(1);
    if (!CODE.test(pasted)) return;
    history.replaceState(null, "", location.pathname + location.search);
    void submitCode(pasted);
  }, []);

  return (
    <main class="sign-in">
      <div class="card">
        <Mark />
        <h1>Sign in to Sharetally</h1>
        {options?.oidc && (
          <>
            <a class="button strong" href={serviceUrl("/console/sign-in/oidc") + search({ return: returnTo })} target="_top">
              <Icon name="person" />
              Sign in with your organisation
            </a>
            <p class="or soft">or</p>
          </>
        )}
        <p class="soft">
          Run <code>sharetally console</code> where the service runs. It prints a link that works once, for ten minutes.
        </p>
        <Form action={action} submitLabel="Sign in" submitDisabled={!code.trim()} submit={() => void submitCode(code)}>
          <Field label="Link or code" value={code} change={setCode} required max={2048} placeholder="Paste it here" />
        </Form>
      </div>
    </main>
  );
}

/** Shown until it is known whether somebody is signed in, with the error if that cannot be found out. */
export function SessionUnknown() {
  const { problem, reload } = useSession();
  return <main class="sign-in">{problem && <ProblemNotice problem={problem} retry={reload} />}</main>;
}
