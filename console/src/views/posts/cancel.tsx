/** The confirmation before a post that waits is cancelled. */

import { useAction } from "../../api/action";
import { callApi } from "../../api/client";
import { usePlatforms } from "../../api/platforms";
import { Dialog, Form } from "../../components/dialog";
import { PostText, type DialogProps } from "./post";

export function Cancel({ post, close, done }: DialogProps) {
  const action = useAction();
  const { label } = usePlatforms();
  const { contentType, contentId, platform } = post;
  const cancel = () =>
    action.run(async () => {
      const path = { contentType, contentId, platform };
      await callApi("delete", "/content/{contentType}/{contentId}/share/{platform}", { path });
      done(`The post on ${label(platform)} is cancelled.`);
    });
  return (
    <Dialog title="Cancel this post?" close={close}>
      <Form action={action} submitLabel="Cancel the post" dismissLabel="Keep it" danger cancel={close} submit={() => void cancel()}>
        <p class="post-quote">
          <PostText post={post} />
        </p>
        <p>
          It is not published on {label(platform)}. Your share of this content there is withdrawn, also if you had shared
          it yourself before. If the post is on its way at this moment, it is deleted once it has arrived.
        </p>
      </Form>
    </Dialog>
  );
}
