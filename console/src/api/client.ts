/** One request to the service: typed by the path's template, errors as `Problem`. */

import { outside, search, type Query } from "../places";
import type { paths } from "./schema";

export type Method = "get" | "post" | "put" | "patch" | "delete";
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type Good<T> = T extends { responses: infer R } ? Json<R[Extract<keyof R, 200 | 201 | 202 | 204>]> : never;

/** The paths that know this method. */
export type PathsOf<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends object ? P : never;
}[keyof paths];

/** What a path answers when all is well. */
export type Answer<P extends keyof paths, M extends Method = "get"> = Good<Operation<P, M>>;
type BodyOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;
type QueryOf<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { parameters: { query?: infer Q } } ? Q : undefined;

export interface Request<P extends keyof paths, M extends Method> {
  /** What stands in the braces of the path. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: { [K in keyof QueryOf<P, M>]?: QueryOf<P, M>[K] | null };
  readonly body?: BodyOf<P, M>;
  readonly signal?: AbortSignal;
}

/** Why the service refused, as RFC 9457 tells it; status 0 where it could not be reached. */
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

/** Told when the service no longer knows who we are. */
export const signedOut = new EventTarget();

/** The address of a request. */
export function address(template: string, path: Readonly<Record<string, string>> = {}, query: object = {}): string {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ""));
  return outside(filled) + search(query as Query);
}

/** Ask; the header tells the service that no form of another site sent this. */
export async function ask<M extends Method, P extends PathsOf<M>>(
  method: M,
  template: P,
  request: Request<P, M> = {},
): Promise<Answer<P, M>> {
  const where = address(template, request.path, request.query ?? {});
  return (await send(method, where, request.body, request.signal)) as Answer<P, M>;
}

async function send(method: Method, where: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "get") headers["x-sharetally-console"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(where, {
      method: method.toUpperCase(),
      headers,
      credentials: "same-origin",
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "unreachable", "The service does not answer. It is tried again when you ask.");
  }
  if (!answer.ok) throw await refusal(answer);
  return answer.status === 204 ? undefined : answer.json();
}

async function refusal(answer: Response): Promise<Problem> {
  const told = (await answer.json().catch(() => ({}))) as {
    type?: string;
    title?: string;
    detail?: string;
    invalid?: { path: string; reason: string }[];
  };
  if (answer.status === 401) signedOut.dispatchEvent(new Event("signed-out"));
  const code = told.type?.split("/").at(-1) ?? "unknown";
  const detail = told.detail || told.title || `The service answered ${answer.status}.`;
  return new Problem(answer.status, code, sentence(detail), told.invalid);
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
