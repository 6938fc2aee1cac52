/** Dead letters: what could not be counted or posted, why, and what to do with it: one, or many. */

import { useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso/router";
import { useViewQuery } from "../../view-query";
import { useQuery } from "../../api/query";
import type { ResponseBody } from "../../api/client";
import { useHasScope } from "../../api/session";
import { difference } from "../../locale";
import { Icon } from "../../components/icon";
import { Card, Page } from "../../components/page";
import { Paging } from "../../components/paging";
import { Empty, ProblemNotice } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { ContentLink, NoValue, Timestamp } from "../../components/values";
import { view } from "../../urls";
import { Decide, type Decision } from "./decide";
import { DeadLetter } from "./detail";
import { Outcomes, type Outcome } from "./outcomes";

type Job = ResponseBody<"/dead">["items"][number];
const PAGE = 50;
const idOf = ({ id }: Job) => id;

export function Dead() {
  const { params } = useRoute();
  const { route } = useLocation();
  const hasScope = useHasScope();
  const { query } = useViewQuery();
  const { data, problem, loading, refetch } = useQuery("/dead", {
    query: { startingAfter: query["after"] ?? null, pageSize: PAGE },
  });
  const [picked, pick] = useState<ReadonlySet<string>>(new Set());
  const [decision, decide] = useState<{ decision: Decision; ids: readonly string[] }>();
  const [outcomes, tell] = useState<readonly Outcome[]>([]);
  const list = (fields: Record<string, string | null> = {}) => view("dead", { ...query, ...fields });
  const pickedHere = data?.items.filter(({ id }) => picked.has(id)).map(idOf) ?? [];
  const done = (results: readonly Outcome[]) => {
    tell(results);
    pick(new Set());
    decide(undefined);
    refetch();
    if (params["id"]) route(list());
  };
  return (
    <Page
      title="Dead letters"
      place="dead"
      lead="Jobs that were set aside. Until you decide, they stay in the proof: nothing is lost."
      actions={
        hasScope("admin") && (
          <>
            <button
              type="button"
              class="button"
              disabled={!pickedHere.length}
              onClick={() => decide({ decision: "discard", ids: pickedHere })}
            >
              <Icon name="trash" />
              Discard {pickedHere.length || ""}
            </button>
            <button
              type="button"
              class="button strong"
              disabled={!pickedHere.length}
              onClick={() => decide({ decision: "replay", ids: pickedHere })}
            >
              <Icon name="again" />
              Replay {pickedHere.length || ""}
            </button>
          </>
        )
      }
    >
      {outcomes.length > 0 && <Outcomes outcomes={outcomes} close={() => tell([])} />}
      <Card label="Dead letters">
        {problem ? (
          <ProblemNotice problem={problem} retry={refetch} />
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
              stale={loading}
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
        <DeadLetter
          id={params["id"]}
          close={() => route(list())}
          decide={(wanted, id) => decide({ decision: wanted, ids: [id] })}
        />
      )}
      {decision && <Decide {...decision} close={() => decide(undefined)} done={done} />}
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
  const toggle = (id: string) => {
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
          <input type="checkbox" aria-label={`Pick ${id}`} checked={picked.has(id)} onChange={() => toggle(id)} />
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
        contentType ? <ContentLink type={contentType} id={contentId} /> : <NoValue />,
    },
    { head: "Moves", as: "number", cell: ({ delta }) => difference(delta) },
    { head: "Attempts", as: "number", cell: ({ attempts }) => attempts },
    { head: "Since", cell: ({ createdAt }) => <Timestamp at={createdAt} /> },
  ];
}
