/** Where we are: the service hands us out below ROOT_PATH, and what is built knows only its own address. */

const app = new URL(/* @vite-ignore */ "../", import.meta.url);

/** The console's own path, like `/console/` or `/shares/console/`. */
export const base = app.pathname;

/** The service's path, like `/` or `/shares/`. */
export const root = new URL("../", app).pathname;

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** The query with what is empty left out, `?` included; the same fields always give the same text. */
export function search(query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return text && `?${text}`;
}

/** The address of a view of the console; pieces are encoded. */
export function view(pieces: readonly string[] | string, query?: Query): string {
  const path = (typeof pieces === "string" ? [pieces] : pieces).map(encodeURIComponent).join("/");
  return (path ? base + path : base.replace(/\/$/, "")) + search(query);
}

/** The address of a page of the service outside of the console. */
export const serviceUrl = (path: string): string => root + path.replace(/^\//, "");

/** The address for other people: with the host. */
export const absolute = (address: string): string => new URL(address, location.href).href;
