/** One link: copy it, show its QR code, change it, delete it. */

import { useState } from "preact/hooks";
import { ask, type Answer } from "../../api/client";
import { useAsked } from "../../api/asked";
import { useDoing } from "../../api/doing";
import { useMay } from "../../api/session";
import { Dialog, Form } from "../../parts/dialog";
import { Icon } from "../../parts/icon";
import { Failed, Waiting } from "../../parts/states";
import { ContentName, Copy, When } from "../../parts/told";
import { absolute, view } from "../../places";
import { bodyOf, Fields, useFields } from "./fields";
import { Qr } from "./qr";

type Link = Answer<"/share-links/{id}">;

interface Props {
  readonly id: string;
  readonly close: () => void;
  readonly changed: () => void;
}

export function One({ id, close, changed }: Props) {
  const { data, problem, again } = useAsked("/share-links/{id}", { path: { id } });
  const [mode, turn] = useState<"read" | "edit" | "delete">("read");
  const back = () => turn("read");
  return (
    <Dialog title={{ read: "Share link", edit: "Edit link", delete: "Delete link?" }[mode]} sheet close={close}>
      {problem && <Failed problem={problem} again={again} />}
      {!data && !problem && <Waiting rows={8} />}
      {data && mode === "read" && <Read link={data} edit={() => turn("edit")} remove={() => turn("delete")} />}
      {data && mode === "edit" && <Edit link={data} back={back} done={() => (changed(), again(), back())} />}
      {data && mode === "delete" && <Delete link={data} back={back} done={() => (changed(), close())} />}
    </Dialog>
  );
}

function Read({ link, edit, remove }: { link: Link; edit: () => void; remove: () => void }) {
  const may = useMay();
  const address = absolute(link.shortUrl);
  return (
    <>
      <div class="link-address">
        <a href={address} target="_blank" rel="noreferrer">
          {address.replace(/^https?:\/\//, "")}
        </a>
        <Copy text={address} label="Copy" small={false} />
      </div>
      <Qr text={address} name={`link-${link.code}`} />
      <dl class="facts">
        <dt>Content</dt>
        <dd>
          <ContentName type={link.contentType} id={link.contentId} />
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
          <When at={link.createdAt} />
        </dd>
        <dt>Expires</dt>
        <dd>{link.expiresAt ? <When at={link.expiresAt} /> : "never"}</dd>
      </dl>
      <div class="buttons">
        {may("audit") && (
          <a class="button" href={view(["audit", link.id])}>
            <Icon name="audit" />
            Its life
          </a>
        )}
        {may("shares") && (
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

interface Step {
  readonly link: Link;
  readonly back: () => void;
  readonly done: () => void;
}

function Edit({ link, back, done }: Step) {
  const doing = useDoing();
  const [fields, change] = useFields(link);
  const save = () =>
    doing.run(async () => {
      await ask("patch", "/share-links/{id}", { path: { id: link.id }, body: bodyOf(fields) });
      done();
    });
  return (
    <Form doing={doing} word="Save" cancel={back} submit={() => void save()}>
      <Fields fields={fields} change={change} />
    </Form>
  );
}

function Delete({ link, back, done }: Step) {
  const doing = useDoing();
  const remove = () =>
    doing.run(async () => {
      await ask("delete", "/share-links/{id}", { path: { id: link.id } });
      done();
    });
  return (
    <Form doing={doing} word="Delete link" danger cancel={back} submit={() => void remove()}>
      <p>
        <code>/s/{link.code}</code> will lead nowhere, and the share that it is of {link.contentType}{" "}
        <b>
          <bdi>{link.contentId}</bdi>
        </b> is taken off the count. The audit keeps it.
      </p>
    </Form>
  );
}
