/** The subject of a history in its current state: a share, a link, or a correction. */

import type { ComponentChildren } from "preact";
import type { ResponseBody } from "../../api/client";
import { count, moment } from "../../locale";
import { Badge, ContentLink } from "../../components/values";
import { view } from "../../urls";

type RecordHistory = ResponseBody<"/audit/records/{recordId}">;
type Fact = readonly [string, ComponentChildren];

export function Subject({ life }: { life: RecordHistory }) {
  const { record, link, entries } = life;
  const facts = record ? ofShare(record) : link ? ofLink(link) : ofCorrection(entries);
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== null)
        .flatMap(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} is`}>{value}</dd>])}
    </dl>
  );
}

function ofShare(record: NonNullable<RecordHistory["record"]>): readonly Fact[] {
  return [
    ["Share of", <ContentLink type={record.contentType} id={record.contentId} />],
    ["On", record.platform],
    ["By", <bdi>{record.userId}</bdi>],
    ["Status", <Badge word={record.status} />],
    ["Evidence", record.evidence],
    ["Attempts", count(record.attemptCount)],
    ["Last shared", record.lastSharedAt && moment(new Date(record.lastSharedAt))],
    ["Post", record.externalUrl && <Outside to={record.externalUrl} />],
    ["Error", record.error && `${record.error.code}: ${record.error.message}`],
  ];
}

function ofLink(link: NonNullable<RecordHistory["link"]>): readonly Fact[] {
  return [
    ["Link to", <ContentLink type={link.contentType} id={link.contentId} />],
    [
      "Address",
      <a href={view(["links", link.id])}>
        <code>/s/{link.code}</code>
      </a>,
    ],
    ["By", <bdi>{link.userId}</bdi>],
    ["Channel", link.channelId],
    ["Campaign", link.campaignId],
    ["Leads to", <Outside to={link.url} />],
  ];
}

function ofCorrection(entries: RecordHistory["entries"]): readonly Fact[] {
  const first = entries[0];
  return first ? [["Correction of", <ContentLink type={first.contentType} id={first.contentId} />]] : [];
}

function Outside({ to }: { to: string }) {
  return (
    <a href={to} target="_blank" rel="noreferrer">
      {to}
    </a>
  );
}
