/** One post: how it is shown wherever it appears. */

import type { ResponseBody } from "../../api/client";

export type Post = ResponseBody<"/posts">["items"][number];

/** What every dialog about a post gets; `done` is called with what to tell the user. */
export interface DialogProps {
  readonly post: Post;
  readonly close: () => void;
  readonly done: (message: string) => void;
}

/** Whether it may still change without anybody doing anything. */
export const isOpen = ({ status }: Post): boolean => status === "pending" || status === "sending" || status === "unknown";

/** Whether its user wants it to be published later. */
export const isScheduled = ({ status, scheduledAt }: Post, now: number): boolean =>
  status === "pending" && scheduledAt !== null && Date.parse(scheduledAt) > now;

/** The text as it was or will be published. */
export function PostText({ post: { text, shortUrl } }: { post: Post }) {
  return (
    <span class="post-text" dir="auto" title={text}>
      {text || shortUrl || "–"}
    </span>
  );
}
