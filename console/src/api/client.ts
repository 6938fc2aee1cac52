/** Requests to the service: typed by the path template, with errors thrown as `Problem`. */

import { serviceUrl, search, type Query } from "../urls";
import type { paths } from "./schema";

export type Method = "get" | "post" | "put" | "patch" | "delete";
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type SuccessBody<T> = T extends { responses: infer R } ? Json<R[Extract<keyof R, 200 | 201 | 202 | 204>]> : never;

/** The paths that support this method. */
export type PathsOf<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends object ? P : never;
}[keyof paths];

/** The body of a successful response. */
export type ResponseBody<P extends keyof paths, M extends Method = "get"> = SuccessBody<Operation<P, M>>;
type BodyOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;
type QueryOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { parameters: { query?: infer Q } } ? Q : undefined;

export interface Request<P extends keyof paths, M extends Method> {
  /** The values of the path's parameters. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: { [K in keyof QueryOf<P, M>]?: QueryOf<P, M>[K] | null };
  readonly body?: BodyOf<P, M>;
  readonly signal?: AbortSignal;
}

/** The problem details of an error (RFC 9457); status 0 means that the service could not be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly invalid: readonly { path: string; reason: string }[] = [],
  ) {
    super(detail);
  }
}

/** Dispatches an event when the service no longer accepts the session. */
export const signedOut = new EventTarget();

/** The URL of a request. */
export function requestUrl(template: string, path: Readonly<Record<string, string>> = {}, query: object = {}): string {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ""));
  return serviceUrl(filled) + search(query as Query);
}

/** Send a request; its header proves to the service that no form of another site sent it. */
export async function callApi<M extends Method, P extends PathsOf<M>>(
  method: M,
  template: P,
  request: Request<P, M> = {},
): Promise<ResponseBody<P, M>> {
  const where = requestUrl(template, request.path, request.query ?? {});
  return (await send(method, where, request.body, request.signal)) as ResponseBody<P, M>;
}

async function send(method: Method, where: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "get") headers["x-sharetally-console"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(where, {
      method: method.toUpperCase(),
      headers,
      credentials: "same-origin",
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "unreachable", "The service does not answer. Try again.");
  }
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? undefined : response.json();
}

async function problemOf(response: Response): Promise<Problem> {
  const document = (await response.json().catch(() => ({}))) as {
    type?: string;
    title?: string;
    detail?: string;
    invalid?: { path: string; reason: string }[];
  };
  if (response.status === 401) signedOut.dispatchEvent(new Event("signed-out"));
  const code = document.type?.split("/").at(-1) ?? "unknown";
  const detail = document.detail || document.title || `The service answered ${response.status}.`;
  return new Problem(response.status, code, sentence(detail), document.invalid);
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
