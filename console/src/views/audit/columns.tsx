/** The columns of an audit table: on the audit's own page, and on the page of a content. */

import type { ResponseBody } from "../../api/client";
import type { Column } from "../../components/table";
import { Badge, ContentLink, NoValue, Timestamp } from "../../components/values";

export type Line = ResponseBody<"/audit">["items"][number];
export const lineId = ({ id }: Line): string => id;

/** `to` returns the URL of the history of a line's record. */
export function columns(to: (line: Line) => string, withContent = true): readonly Column<Line>[] {
  const content: Column<Line> = {
    head: "Content",
    as: "line",
    cell: ({ contentType, contentId }) => <ContentLink type={contentType} id={contentId} />,
  };
  return [
    {
      head: "Time",
      as: "lead",
      cell: (line) => (
        <a class="row-link" href={to(line)}>
          <Timestamp at={line.at} />
          <span class="hidden">, the history of its record</span>
        </a>
      ),
    },
    { head: "Action", as: "plain", cell: ({ action }) => actionLabel(action) },
    { head: "Outcome", as: "plain", cell: ({ status, error }) => <Outcome status={status} error={error} /> },
    { head: "Platform", as: "plain", cell: ({ platform }) => platform ?? <NoValue /> },
    ...(withContent ? [content] : []),
    { head: "User", as: "line", cell: ({ userId, actor }) => <Who user={userId} actor={actor} /> },
  ];
}

export const actionLabel = (action: string): string => action.replaceAll("_", " ");

export function Outcome({ status, error }: Pick<Line, "status" | "error">) {
  if (!status) return <NoValue />;
  return (
    <span title={error ? `${error.code}: ${error.message}` : undefined}>
      <Badge word={status} />
    </span>
  );
}

export function Who({ user, actor }: { user: string; actor: string }) {
  return (
    <span class="who-acted">
      <span class="clip" dir="auto" title={user}>
        {user}
      </span>
      {actor !== user && (
        <span class="soft clip" title={actor}>
          by <bdi>{actor}</bdi>
        </span>
      )}
    </span>
  );
}
