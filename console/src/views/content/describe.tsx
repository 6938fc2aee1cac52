/** Tell a content's title, picture and address; what is left empty is forgotten. */

import { useState } from "preact/hooks";
import { ask, type Answer } from "../../api/client";
import { useDoing } from "../../api/doing";
import { Dialog, Form } from "../../parts/dialog";
import { Field } from "../../parts/field";

type Item = Answer<"/content/{contentType}/{contentId}">;

export function Describe({ item, close, done }: { item: Item; close: () => void; done: () => void }) {
  const { contentType, contentId } = item;
  const doing = useDoing();
  const [title, setTitle] = useState(item.title ?? "");
  const [image, setImage] = useState(item.image ?? "");
  const [url, setUrl] = useState(item.urlSource === "own" ? item.url! : "");
  const save = () =>
    doing.run(async () => {
      const body = { title: title.trim() || null, image: image.trim() || null, url: url.trim() || null };
      await ask("put", "/content/{contentType}/{contentId}", { path: { contentType, contentId }, body });
      done();
      close();
    });
  return (
    <Dialog title="What people are shown" close={close}>
      <Form doing={doing} word="Save" cancel={close} submit={() => void save()}>
        <Field label="Title" value={title} change={setTitle} max={300} focus />
        <Field
          label="Picture"
          type="url"
          value={image}
          change={setImage}
          max={2048}
          placeholder="https://…"
          help="The address of a picture; the console shows those over https."
        />
        <Field
          label="Address"
          type="url"
          value={url}
          change={setUrl}
          max={2048}
          placeholder={(item.urlSource === "settings" && item.url) || "https://…"}
          help="Where it lives. Without one, CONTENT_URLS decides."
        />
      </Form>
    </Dialog>
  );
}
