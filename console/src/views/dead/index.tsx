/** Dead letters: what could not be counted or posted, why, and what to do with it: one, or many. */

import { useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso/router";
import { useAddress } from "../../address";
import { useAsked } from "../../api/asked";
import type { Answer } from "../../api/client";
import { useMay } from "../../api/session";
import { difference } from "../../locale";
import { Icon } from "../../parts/icon";
import { Card, Page } from "../../parts/page";
import { Paging } from "../../parts/paging";
import { Empty, Failed } from "../../parts/states";
import { Table, type Column } from "../../parts/table";
import { ContentName, None, When } from "../../parts/told";
import { view } from "../../places";
import { Decide, type Deed } from "./decide";
import { Letter } from "./letter";
import { Outcomes, type Outcome } from "./outcomes";

type Job = Answer<"/dead">["items"][number];
const PAGE = 50;
const idOf = ({ id }: Job) => id;

export function Dead() {
  const { params } = useRoute();
  const { route } = useLocation();
  const may = useMay();
  const { query } = useAddress();
  const { data, problem, waiting, again } = useAsked("/dead", {
    query: { startingAfter: query["after"] ?? null, pageSize: PAGE },
  });
  const [picked, pick] = useState<ReadonlySet<string>>(new Set());
  const [deed, decide] = useState<{ deed: Deed; ids: readonly string[] }>();
  const [outcomes, tell] = useState<readonly Outcome[]>([]);
  const list = (fields: Record<string, string | null> = {}) => view("dead", { ...query, ...fields });
  const here = data?.items.filter(({ id }) => picked.has(id)).map(idOf) ?? [];
  const done = (results: readonly Outcome[]) => {
    tell(results);
    pick(new Set());
    decide(undefined);
    again();
    if (params["id"]) route(list());
  };
  return (
    <Page
      title="Dead letters"
      place="dead"
      lead="Jobs that were set aside. Until you decide, they stay in the proof: nothing is lost."
      actions={
        may("admin") && (
          <>
            <button
              type="button"
              class="button"
              disabled={!here.length}
              onClick={() => decide({ deed: "discard", ids: here })}
            >
              <Icon name="trash" />
              Discard {here.length || ""}
            </button>
            <button
              type="button"
              class="button strong"
              disabled={!here.length}
              onClick={() => decide({ deed: "replay", ids: here })}
            >
              <Icon name="again" />
              Replay {here.length || ""}
            </button>
          </>
        )
      }
    >
      {outcomes.length > 0 && <Outcomes outcomes={outcomes} close={() => tell([])} />}
      <Card label="Dead letters">
        {problem ? (
          <Failed problem={problem} again={again} />
        ) : data?.items.length === 0 ? (
          <Empty icon="check" title="No dead letters">
            Every job was done, or is on its way.
          </Empty>
        ) : (
          <>
            <Table
              label="Dead letters"
              columns={columns(data?.items ?? [], picked, pick, query)}
              rows={data?.items}
              id={idOf}
              stale={waiting}
            />
            {data && (
              <Paging
                first={query["after"] ? list({ after: null }) : null}
                next={data.next ? list({ after: data.next }) : null}
                shown={data.items.length}
                what={["job", "jobs"]}
              />
            )}
          </>
        )}
      </Card>
      {params["id"] && (
        <Letter
          id={params["id"]}
          close={() => route(list())}
          decide={(wanted, id) => decide({ deed: wanted, ids: [id] })}
        />
      )}
      {deed && <Decide {...deed} close={() => decide(undefined)} done={done} />}
    </Page>
  );
}

function columns(
  shown: readonly Job[],
  picked: ReadonlySet<string>,
  pick: (picked: ReadonlySet<string>) => void,
  query: Readonly<Record<string, string>>,
): readonly Column<Job>[] {
  const all = shown.length > 0 && shown.every(({ id }) => picked.has(id));
  const turned = (id: string) => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    pick(next);
  };
  return [
    {
      head: "Pick",
      as: "pick",
      title: (
        <input
          type="checkbox"
          aria-label="Pick all on this page"
          checked={all}
          onChange={() => pick(new Set(all ? [] : shown.map(idOf)))}
        />
      ),
      cell: ({ id }) => (
        <span class="above">
          <input type="checkbox" aria-label={`Pick ${id}`} checked={picked.has(id)} onChange={() => turned(id)} />
        </span>
      ),
    },
    {
      head: "Reason",
      as: "lead",
      cell: ({ id, reason }) => (
        <a class="row-link reason" href={view(["dead", id], query)}>
          {reason}
        </a>
      ),
    },
    { head: "Job", as: "plain", cell: ({ job }) => <code>{job}</code> },
    {
      head: "Content",
      as: "line",
      cell: ({ contentType, contentId }) =>
        contentType ? <ContentName type={contentType} id={contentId} /> : <None />,
    },
    { head: "Moves", as: "number", cell: ({ delta }) => difference(delta) },
    { head: "Attempts", as: "number", cell: ({ attempts }) => attempts },
    { head: "Since", cell: ({ createdAt }) => <When at={createdAt} /> },
  ];
}
