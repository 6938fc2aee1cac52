/** The API keys of servers: their names, their scopes, and when they were last used. */

import { useState } from "preact/hooks";
import { useViewQuery } from "../../view-query";
import { useQuery } from "../../api/query";
import { callApi, type ResponseBody } from "../../api/client";
import { useAction } from "../../api/action";
import { useHasScope } from "../../api/session";
import { useNow } from "../../live/hooks";
import { Dialog, Form } from "../../components/dialog";
import { Icon } from "../../components/icon";
import { Card, Page } from "../../components/page";
import { Paging } from "../../components/paging";
import { Empty, ProblemNotice } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { RelativeTime, Badge, Timestamp } from "../../components/values";
import { Create } from "./create";

type Key = ResponseBody<"/keys">["items"][number];
const PAGE = 50;
const idOf = ({ id }: Key) => id;

export function Keys() {
  const hasScope = useHasScope();
  const { query, to } = useViewQuery();
  const { data, problem, loading, refetch } = useQuery("/keys", {
    query: { startingAfter: query["after"] ?? null, pageSize: PAGE },
  });
  const [isCreating, setCreating] = useState(false);
  const [revoking, revoke] = useState<Key>();
  const now = useNow(30_000);
  return (
    <Page
      title="Keys"
      lead="Keys are for servers; people sign in."
      actions={
        hasScope("admin") && (
          <button type="button" class="button strong" onClick={() => setCreating(true)}>
            <Icon name="plus" />
            New key
          </button>
        )
      }
    >
      <Card label="Keys">
        {problem ? (
          <ProblemNotice problem={problem} retry={refetch} />
        ) : data?.items.length === 0 ? (
          <Empty icon="keys" title="No keys yet">
            A key lets a server of yours use the API.
          </Empty>
        ) : (
          <>
            <Table label="Keys" columns={columns(now, revoke)} rows={data?.items} id={idOf} stale={loading} skeletonRows={5} />
            {data && (
              <Paging
                first={query["after"] ? to({ after: null }) : null}
                next={data.next ? to({ after: data.next }) : null}
                shown={data.items.length}
                what={["key", "keys"]}
              />
            )}
          </>
        )}
      </Card>
      {isCreating && <Create close={() => setCreating(false)} done={refetch} />}
      {revoking && <Revoke apiKey={revoking} close={() => revoke(undefined)} done={refetch} />}
    </Page>
  );
}

function columns(now: number, revoke: (key: Key) => void): readonly Column<Key>[] {
  return [
    { head: "Name", as: "lead", cell: ({ name, revokedAt }) => <b class={revokedAt ? "key-name soft" : "key-name"}>{name}</b> },
    {
      head: "Scopes",
      cell: ({ scopes }) => (
        <span class="badges">
          {scopes.map((scope) => (
            <Badge key={scope} word={scope} tone={scope === "admin" ? "wait" : "soft"} />
          ))}
        </span>
      ),
    },
    { head: "Created", cell: ({ createdAt }) => <Timestamp at={createdAt} /> },
    {
      head: "Last used",
      cell: ({ lastUsedAt }) => (lastUsedAt ? <RelativeTime at={lastUsedAt} now={now} /> : <span class="soft">never</span>),
    },
    {
      head: "Revoke",
      as: "foot",
      hideHead: true,
      cell: (key) =>
        key.revokedAt ? (
          <span class="soft">
            revoked <Timestamp at={key.revokedAt} />
          </span>
        ) : (
          <button type="button" class="button small" aria-label={`Revoke ${key.name}`} onClick={() => revoke(key)}>
            Revoke
          </button>
        ),
    },
  ];
}

function Revoke({ apiKey, close, done }: { apiKey: Key; close: () => void; done: () => void }) {
  const action = useAction();
  const revoke = () =>
    action.run(async () => {
      await callApi("delete", "/keys/{id}", { path: { id: apiKey.id } });
      done();
      close();
    });
  return (
    <Dialog title={`Revoke “${apiKey.name}”?`} close={close}>
      <Form action={action} submitLabel="Revoke" danger cancel={close} submit={() => void revoke()}>
        <p>Requests with this key are refused within ten seconds. This cannot be undone.</p>
      </Form>
    </Dialog>
  );
}
