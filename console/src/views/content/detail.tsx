/** One content: its live count, the breakdown, the shares over time, who shared it, and the proof. */

import { useState } from "preact/hooks";
import { useRoute } from "preact-iso/router";
import { useQuery } from "../../api/query";
import { useHasScope } from "../../api/session";
import { useLiveCount } from "../../live/hooks";
import { count, moment } from "../../locale";
import { Icon } from "../../components/icon";
import { Card, Page } from "../../components/page";
import { ProblemNotice } from "../../components/states";
import { CopyButton } from "../../components/values";
import { view } from "../../urls";
import { Breakdown } from "./breakdown";
import { Describe } from "./describe";
import { Picture } from "./picture";
import { Proof } from "./proof";
import { Timeline } from "./timeline";
import { Sharers } from "./sharers";

const REFRESH = 15_000;

export function Content() {
  const { params } = useRoute();
  const contentType = params["contentType"] ?? "";
  const contentId = params["contentId"] ?? "";
  const path = { contentType, contentId };
  const hasScope = useHasScope();
  const [editing, setEditing] = useState(false);
  const item = useQuery("/content/{contentType}/{contentId}", { path });
  const read = useQuery("/share-links/count/{contentType}/{contentId}", { path }, REFRESH);
  const live = useLiveCount(contentType, contentId);
  const known = live && live.version >= (read.data?.version ?? 0) ? live : read.data;
  return (
    <Page
      title={item.data || item.problem ? item.data?.title || contentId : "\u00a0"}
      lead={
        <>
          {contentType} · <code>{contentId}</code> <CopyButton text={contentId} label="Copy the id" />
        </>
      }
      actions={
        <>
          {item.data?.url && (
            <a class="button" href={item.data.url} target="_blank" rel="noreferrer">
              <Icon name="external" />
              Open
            </a>
          )}
          {hasScope("shares") && (
            <a class="button" href={view("links", { new: "1", contentType, contentId })}>
              <Icon name="links" />
              New link
            </a>
          )}
          {hasScope("admin") && item.data && (
            <button type="button" class="button" onClick={() => setEditing(true)}>
              <Icon name="edit" />
              Edit
            </button>
          )}
        </>
      }
    >
      {(item.problem ?? read.problem) && (
        <ProblemNotice problem={(item.problem ?? read.problem)!} retry={() => (item.refetch(), read.refetch())} />
      )}
      <div class="content-head">
        <Card class="content-count" label="Shares">
          <Picture image={item.data?.image ?? null} large />
          <div>
            <p class="soft">Shares</p>
            <p class="figure num">{known ? count(known.shareCount) : <span class="bone figure-bone" />}</p>
            <p class="soft">
              {known?.asOf ? `last changed ${moment(new Date(known.asOf))}` : known ? "nothing shared yet" : "\u00a0"}
            </p>
          </div>
        </Card>
        <Proof path={path} />
      </div>
      <Breakdown known={known} />
      {hasScope("analytics") && <Timeline contentType={contentType} contentId={contentId} />}
      {hasScope("audit") && <Sharers contentType={contentType} contentId={contentId} version={known?.version} />}
      {editing && item.data && <Describe item={item.data} close={() => setEditing(false)} done={item.refetch} />}
    </Page>
  );
}
