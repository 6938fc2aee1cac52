/** A dialog that creates a link for a content, a channel and a campaign. */

import { useState } from "preact/hooks";
import { useLocation } from "preact-iso/router";
import { callApi } from "../../api/client";
import { useAction } from "../../api/action";
import { Dialog, Form } from "../../components/dialog";
import { view } from "../../urls";
import { bodyOf, Fields, useFields } from "./fields";
import { Field } from "../../components/field";

interface Props {
  readonly query: Readonly<Record<string, string>>;
  readonly close: () => void;
  readonly done: () => void;
}

export function Create({ query, close, done }: Props) {
  const action = useAction();
  const { route } = useLocation();
  const [contentType, setType] = useState(query["contentType"] ?? "video");
  const [contentId, setId] = useState(query["contentId"] ?? "");
  const [fields, change] = useFields();
  const create = () =>
    action.run(async () => {
      const { url, ...rest } = bodyOf(fields);
      const body = { contentType: contentType.trim(), contentId: contentId.trim(), ...rest, ...(url ? { url } : {}) };
      const link = await callApi("post", "/share-links", { body });
      done();
      route(view(["links", link.id]), true);
    });
  return (
    <Dialog title="New link" close={close}>
      <Form action={action} submitLabel="Create link" cancel={close} submit={() => void create()}>
        <div class="two">
          <Field
            label="Content type"
            value={contentType}
            change={setType}
            required
            max={32}
            pattern="[a-z][a-z0-9_\-]*"
          />
          <Field label="Content id" value={contentId} change={setId} required max={128} focus />
        </div>
        <Fields fields={fields} change={change} urlHelp="Default: the content's own URL (CONTENT_URLS)." />
      </Form>
    </Dialog>
  );
}
