/** API keys of servers: who has one, what it may, when it was last used. */

import { useState } from "preact/hooks";
import { useAddress } from "../../address";
import { useAsked } from "../../api/asked";
import { ask, type Answer } from "../../api/client";
import { useDoing } from "../../api/doing";
import { useMay } from "../../api/session";
import { useNow } from "../../live/hooks";
import { Dialog, Form } from "../../parts/dialog";
import { Icon } from "../../parts/icon";
import { Card, Page } from "../../parts/page";
import { Paging } from "../../parts/paging";
import { Empty, Failed } from "../../parts/states";
import { Table, type Column } from "../../parts/table";
import { Ago, Badge, When } from "../../parts/told";
import { Create } from "./create";

type Key = Answer<"/keys">["items"][number];
const PAGE = 50;
const idOf = ({ id }: Key) => id;

export function Keys() {
  const may = useMay();
  const { query, to } = useAddress();
  const { data, problem, waiting, again } = useAsked("/keys", {
    query: { startingAfter: query["after"] ?? null, pageSize: PAGE },
  });
  const [making, make] = useState(false);
  const [revoking, revoke] = useState<Key>();
  const now = useNow(30_000);
  return (
    <Page
      title="Keys"
      lead="For servers. People sign in."
      actions={
        may("admin") && (
          <button type="button" class="button strong" onClick={() => make(true)}>
            <Icon name="plus" />
            New key
          </button>
        )
      }
    >
      <Card label="Keys">
        {problem ? (
          <Failed problem={problem} again={again} />
        ) : data?.items.length === 0 ? (
          <Empty icon="keys" title="No keys yet">
            A key lets a server of yours use the API.
          </Empty>
        ) : (
          <>
            <Table label="Keys" columns={columns(now, revoke)} rows={data?.items} id={idOf} stale={waiting} bones={5} />
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
      {making && <Create close={() => make(false)} done={again} />}
      {revoking && <Revoke held={revoking} close={() => revoke(undefined)} done={again} />}
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
    { head: "Created", cell: ({ createdAt }) => <When at={createdAt} /> },
    {
      head: "Last used",
      cell: ({ lastUsedAt }) => (lastUsedAt ? <Ago at={lastUsedAt} now={now} /> : <span class="soft">never</span>),
    },
    {
      head: "Revoke",
      as: "foot",
      hideHead: true,
      cell: (key) =>
        key.revokedAt ? (
          <span class="soft">
            revoked <When at={key.revokedAt} />
          </span>
        ) : (
          <button type="button" class="button small" aria-label={`Revoke ${key.name}`} onClick={() => revoke(key)}>
            Revoke
          </button>
        ),
    },
  ];
}

function Revoke({ held, close, done }: { held: Key; close: () => void; done: () => void }) {
  const doing = useDoing();
  const revoke = () =>
    doing.run(async () => {
      await ask("delete", "/keys/{id}", { path: { id: held.id } });
      done();
      close();
    });
  return (
    <Dialog title={`Revoke “${held.name}”?`} close={close}>
      <Form doing={doing} word="Revoke" danger cancel={close} submit={() => void revoke()}>
        <p>Whoever uses it is refused within ten seconds. This cannot be undone.</p>
      </Form>
    </Dialog>
  );
}
