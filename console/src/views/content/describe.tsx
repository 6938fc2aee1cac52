/** A dialog that sets the title, picture and URL of a content; an empty field removes the value. */

import { useState } from "preact/hooks";
import { callApi, type ResponseBody } from "../../api/client";
import { useAction } from "../../api/action";
import { Dialog, Form } from "../../components/dialog";
import { Field } from "../../components/field";

type Item = ResponseBody<"/content/{contentType}/{contentId}">;

export function Describe({ item, close, done }: { item: Item; close: () => void; done: () => void }) {
  const { contentType, contentId } = item;
  const action = useAction();
  const [title, setTitle] = useState(item.title ?? "");
  const [image, setImage] = useState(item.image ?? "");
  const [url, setUrl] = useState(item.urlSource === "own" ? item.url! : "");
  const save = () =>
    action.run(async () => {
      const body = { title: title.trim() || null, image: image.trim() || null, url: url.trim() || null };
      await callApi("put", "/content/{contentType}/{contentId}", { path: { contentType, contentId }, body });
      done();
      close();
    });
  return (
    <Dialog title="Content details" close={close}>
      <Form action={action} submitLabel="Save" cancel={close} submit={() => void save()}>
        <Field label="Title" value={title} change={setTitle} max={300} focus />
        <Field
          label="Picture"
          type="url"
          value={image}
          change={setImage}
          max={2048}
          placeholder="https://…"
          help="The URL of a picture; the console shows only https pictures."
        />
        <Field
          label="Address"
          type="url"
          value={url}
          change={setUrl}
          max={2048}
          placeholder={(item.urlSource === "settings" && item.url) || "https://…"}
          help="The page of the content. Default: the URL from CONTENT_URLS."
        />
      </Form>
    </Dialog>
  );
}
