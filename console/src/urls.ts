/** URLs of the console and the service, derived from the URL of this script because the service has a ROOT_PATH. */

const app = new URL(/* @vite-ignore */ "../", import.meta.url);

/** The console's own path, like `/console/` or `/shares/console/`. */
export const base = app.pathname;

/** The service's path, like `/` or `/shares/`. */
export const root = new URL("../", app).pathname;

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** The query string with `?`, without empty fields; equal fields give equal text. */
export function search(query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return text && `?${text}`;
}

/** The URL of a view of the console; the pieces are encoded. */
export function view(pieces: readonly string[] | string, query?: Query): string {
  const path = (typeof pieces === "string" ? [pieces] : pieces).map(encodeURIComponent).join("/");
  return (path ? base + path : base.replace(/\/$/, "")) + search(query);
}

/** The URL of a page of the service outside the console. */
export const serviceUrl = (path: string): string => root + path.replace(/^\//, "");

/** An address that somebody else has given, if it is one of the web. */
export const safeUrl = (address: string | null): string | undefined =>
  address !== null && /^https?:\/\//i.test(address) ? address : undefined;

/** The absolute URL, to be given to other people. */
export const absolute = (address: string): string => new URL(address, location.href).href;
