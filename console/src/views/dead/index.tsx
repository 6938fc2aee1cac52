/** Dead letters: the jobs that could not be counted or posted, why, and the actions on one or many of them. */

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
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [decision, setDecision] = useState<{ decision: Decision; ids: readonly string[] }>();
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const list = (fields: Record<string, string | null> = {}) => view("dead", { ...query, ...fields });
  const selectedHere = data?.items.filter(({ id }) => selected.has(id)).map(idOf) ?? [];
  const done = (results: readonly Outcome[]) => {
    setOutcomes(results);
    setSelected(new Set());
    setDecision(undefined);
    refetch();
    if (params["id"]) route(list());
  };
  return (
    <Page
      title="Dead letters"
      pageId="dead"
      lead="Jobs that were parked. They stay in the proof until you decide, so nothing is lost."
      actions={
        hasScope("admin") && (
          <>
            <button
              type="button"
              class="button"
              disabled={!selectedHere.length}
              onClick={() => setDecision({ decision: "discard", ids: selectedHere })}
            >
              <Icon name="trash" />
              Discard {selectedHere.length || ""}
            </button>
            <button
              type="button"
              class="button strong"
              disabled={!selectedHere.length}
              onClick={() => setDecision({ decision: "replay", ids: selectedHere })}
            >
              <Icon name="retry" />
              Replay {selectedHere.length || ""}
            </button>
          </>
        )
      }
    >
      {outcomes.length > 0 && <Outcomes outcomes={outcomes} close={() => setOutcomes([])} />}
      <Card label="Dead letters">
        {problem ? (
          <ProblemNotice problem={problem} retry={refetch} />
        ) : data?.items.length === 0 ? (
          <Empty icon="check" title="No dead letters">
            Every job has been processed or is on its way.
          </Empty>
        ) : (
          <>
            <Table
              label="Dead letters"
              columns={columns(data?.items ?? [], selected, setSelected, query)}
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
          decide={(wanted, id) => setDecision({ decision: wanted, ids: [id] })}
        />
      )}
      {decision && <Decide {...decision} close={() => setDecision(undefined)} done={done} />}
    </Page>
  );
}

function columns(
  shown: readonly Job[],
  selected: ReadonlySet<string>,
  select: (selected: ReadonlySet<string>) => void,
  query: Readonly<Record<string, string>>,
): readonly Column<Job>[] {
  const all = shown.length > 0 && shown.every(({ id }) => selected.has(id));
  const toggle = (id: string) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    select(next);
  };
  return [
    {
      head: "Select",
      as: "pick",
      title: (
        <input
          type="checkbox"
          aria-label="Select all on this page"
          checked={all}
          onChange={() => select(new Set(all ? [] : shown.map(idOf)))}
        />
      ),
      cell: ({ id }) => (
        <span class="above">
          <input type="checkbox" aria-label={`Select ${id}`} checked={selected.has(id)} onChange={() => toggle(id)} />
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
