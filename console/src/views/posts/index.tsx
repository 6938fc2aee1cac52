/** Posts: what this service publishes for its users, what became of it, and what a person can do about it. */

import { useState } from "preact/hooks";
import { usePlatforms } from "../../api/platforms";
import { useQuery } from "../../api/query";
import { useHasScope, useSession } from "../../api/session";
import { Choice } from "../../components/field";
import { Card, Page } from "../../components/page";
import { Paging } from "../../components/paging";
import { Empty, Notice, ProblemNotice } from "../../components/states";
import { Table } from "../../components/table";
import { useNow } from "../../live/hooks";
import { useViewQuery } from "../../view-query";
import { Budgets } from "./budget";
import { Cancel } from "./cancel";
import { columns, type Act } from "./columns";
import { Decide } from "./decide";
import { PostAgain } from "./post-again";
import { isOpen, type Post } from "./post";

const PAGE = 50;
const REFRESH = 15_000;
const REFRESH_OPEN = 3_000; // while a post on the page is not finished
const STATUSES = ["pending", "sending", "success", "failed", "unknown", "cancelled"] as const;
type Filter = "" | (typeof STATUSES)[number];
const FILTERS: readonly (readonly [Filter, string])[] = [
  ["", "All"],
  ...STATUSES.map((status) => [status, status.charAt(0).toUpperCase() + status.slice(1)] as const),
];

export function Posts() {
  const hasScope = useHasScope();
  const { session } = useSession();
  const { label } = usePlatforms();
  const { query, to, go } = useViewQuery();
  const status = STATUSES.find((name) => name === query["status"]) ?? "";
  const [every, setEvery] = useState(REFRESH);
  const { data, problem, loading, refetch } = useQuery(
    "/posts",
    { query: { status: status || null, startingAfter: query["after"] ?? null, pageSize: PAGE } },
    every,
  );
  const due = data?.items.some(isOpen) ? REFRESH_OPEN : REFRESH;
  if (due !== every) setEvery(due);
  const [acting, setActing] = useState<{ act: Act; post: Post }>();
  const [notice, setNotice] = useState("");
  const now = useNow(30_000);
  const close = () => setActing(undefined);
  const dialog = acting && {
    post: acting.post,
    close,
    done: (message: string) => {
      close();
      setNotice(message);
      refetch();
    },
  };
  return (
    <Page title="Posts" lead={hasScope("admin") ? "What is published from all users' accounts." : "What is published from your accounts."}>
      {notice && <Notice text={notice} close={() => setNotice("")} />}
      {hasScope("analytics", "admin") && <Budgets />}
      <Card label="Posts">
        <div class="posts-filter">
          <Choice label="Status" value={status} options={FILTERS} change={(name) => go({ status: name, after: null }, "push")} />
        </div>
        {problem && <ProblemNotice problem={problem} retry={refetch} />}
        {data?.items.length === 0 ? (
          <Empty icon="posts" title={status ? "No post has this status" : "No posts yet"}>
            {!status && "A share with the mode server_post is published from the account of its user, and appears here."}
          </Empty>
        ) : (
          (data || !problem) && (
            <>
              <Table
                label="Posts"
                columns={columns({
                  now,
                  label,
                  user: hasScope("shares") ? session?.userId : undefined,
                  everybody: hasScope("admin"),
                  mayAudit: hasScope("audit"),
                  act: (act, post) => setActing({ act, post }),
                })}
                rows={data?.items}
                id={({ id }) => id}
                stale={loading}
              />
              {data && (
                <Paging
                  first={query["after"] ? to({ after: null }) : null}
                  next={data.next ? to({ after: data.next }) : null}
                  shown={data.items.length}
                  what={["post", "posts"]}
                />
              )}
            </>
          )
        )}
      </Card>
      {dialog && acting.act === "posted" && <Decide posted {...dialog} />}
      {dialog && acting.act === "not-posted" && <Decide posted={false} {...dialog} />}
      {dialog && acting.act === "cancel" && <Cancel {...dialog} />}
      {dialog && acting.act === "again" && <PostAgain {...dialog} />}
    </Page>
  );
}
