/** One link: copy it, show its QR code, change it, delete it. */

import { useState } from "preact/hooks";
import { callApi, type ResponseBody } from "../../api/client";
import { useQuery } from "../../api/query";
import { useAction } from "../../api/action";
import { useHasScope } from "../../api/session";
import { Dialog, Form } from "../../components/dialog";
import { Icon } from "../../components/icon";
import { ProblemNotice, Skeleton } from "../../components/states";
import { ContentLink, CopyButton, Timestamp } from "../../components/values";
import { absolute, view } from "../../urls";
import { bodyOf, Fields, useFields } from "./fields";
import { Qr } from "./qr";

type Link = ResponseBody<"/share-links/{id}">;

interface Props {
  readonly id: string;
  readonly close: () => void;
  readonly changed: () => void;
}

export function LinkDetail({ id, close, changed }: Props) {
  const { data, problem, refetch } = useQuery("/share-links/{id}", { path: { id } });
  const [mode, setMode] = useState<"read" | "edit" | "delete">("read");
  const back = () => setMode("read");
  return (
    <Dialog title={{ read: "Share link", edit: "Edit link", delete: "Delete link?" }[mode]} sheet close={close}>
      {problem && <ProblemNotice problem={problem} retry={refetch} />}
      {!data && !problem && <Skeleton rows={8} />}
      {data && mode === "read" && <Read link={data} edit={() => setMode("edit")} remove={() => setMode("delete")} />}
      {data && mode === "edit" && <Edit link={data} back={back} done={() => (changed(), refetch(), back())} />}
      {data && mode === "delete" && <Delete link={data} back={back} done={() => (changed(), close())} />}
    </Dialog>
  );
}

function Read({ link, edit, remove }: { link: Link; edit: () => void; remove: () => void }) {
  const hasScope = useHasScope();
  const address = absolute(link.shortUrl);
  return (
    <>
      <div class="link-address">
        <a href={address} target="_blank" rel="noreferrer">
          {address.replace(/^https?:\/\//, "")}
        </a>
        <CopyButton text={address} label="Copy" small={false} />
      </div>
      <Qr text={address} name={`link-${link.code}`} />
      <dl class="facts">
        <dt>Content</dt>
        <dd>
          <ContentLink type={link.contentType} id={link.contentId} />
        </dd>
        <dt>Leads to</dt>
        <dd>
          <a href={link.url} target="_blank" rel="noreferrer">
            {link.url}
          </a>
        </dd>
        <dt>Channel</dt>
        <dd>{link.channelId ?? "–"}</dd>
        <dt>Campaign</dt>
        <dd>{link.campaignId ?? "–"}</dd>
        <dt>Owner</dt>
        <dd>
          <bdi>{link.userId}</bdi>
        </dd>
        <dt>Created</dt>
        <dd>
          <Timestamp at={link.createdAt} />
        </dd>
        <dt>Expires</dt>
        <dd>{link.expiresAt ? <Timestamp at={link.expiresAt} /> : "never"}</dd>
      </dl>
      <div class="buttons">
        {hasScope("audit") && (
          <a class="button" href={view(["audit", link.id])}>
            <Icon name="audit" />
            History
          </a>
        )}
        {hasScope("shares") && (
          <>
            <button type="button" class="button" onClick={remove}>
              <Icon name="trash" />
              Delete
            </button>
            <button type="button" class="button" onClick={edit}>
              <Icon name="edit" />
              Edit
            </button>
          </>
        )}
      </div>
    </>
  );
}

interface ModeProps {
  readonly link: Link;
  readonly back: () => void;
  readonly done: () => void;
}

function Edit({ link, back, done }: ModeProps) {
  const action = useAction();
  const [fields, change] = useFields(link);
  const save = () =>
    action.run(async () => {
      await callApi("patch", "/share-links/{id}", { path: { id: link.id }, body: bodyOf(fields) });
      done();
    });
  return (
    <Form action={action} submitLabel="Save" cancel={back} submit={() => void save()}>
      <Fields fields={fields} change={change} />
    </Form>
  );
}

function Delete({ link, back, done }: ModeProps) {
  const action = useAction();
  const remove = () =>
    action.run(async () => {
      await callApi("delete", "/share-links/{id}", { path: { id: link.id } });
      done();
    });
  return (
    <Form action={action} submitLabel="Delete link" danger cancel={back} submit={() => void remove()}>
      <p>
        <code>/s/{link.code}</code> will lead nowhere, and the share that it is of {link.contentType}{" "}
        <b>
          <bdi>{link.contentId}</bdi>
        </b> is taken off the count. The audit keeps it.
      </p>
    </Form>
  );
}
