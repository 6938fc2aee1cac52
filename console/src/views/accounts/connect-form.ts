/** How an account is connected on each platform, and the first step of connecting it in the browser. */

import { callApi, Problem } from "../../api/client";
import { safeUrl } from "../../urls";

/** The questions that a platform needs answered; `inBrowser` and `password` are the ways that it offers. */
export interface ConnectForm {
  readonly server: "required" | "optional" | "none";
  readonly handle: boolean;
  readonly inBrowser: boolean;
  readonly password: boolean;
}

const FORMS: Readonly<Record<string, ConnectForm | null>> = {
  mastodon: { server: "required", handle: false, inBrowser: true, password: false },
  bluesky: { server: "optional", handle: true, inBrowser: true, password: true },
  twitter: null,
  linkedin: null,
  facebook: null,
  threads: null,
};

/** For a platform that an installed package has added, and about which nothing is known here. */
const ANY_FORM: ConnectForm = { server: "optional", handle: true, inBrowser: true, password: true };

/** Null if the platform asks everything itself. */
export function formOf(platform: string): ConnectForm | null {
  const form = FORMS[platform];
  return form === undefined ? ANY_FORM : form;
}

/** Send the browser to the platform, which sends it back to this page; the promise is resolved just before. */
export async function connectInBrowser(
  platform: string,
  where: { readonly instance?: string; readonly identifier?: string; readonly server?: string },
): Promise<void> {
  const body = { ...where, returnTo: "console" as const };
  const begun = await callApi("post", "/accounts/{platform}/connect", { path: { platform }, body });
  const address = "authorizeUrl" in begun ? safeUrl(begun.authorizeUrl) : undefined;
  if (address === undefined) throw new Problem(0, "conflict", "The platform gave no address at which you can sign in.");
  location.assign(address);
}
