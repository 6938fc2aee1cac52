/** A person says whether a post is there, because the service could not find out. */

import { useState } from "preact/hooks";
import { useAction } from "../../api/action";
import { callApi } from "../../api/client";
import { usePlatforms } from "../../api/platforms";
import { useSession } from "../../api/session";
import { Dialog, Form } from "../../components/dialog";
import { Field } from "../../components/field";
import { PostText, type DialogProps } from "./post";

export function Decide({ post, posted, close, done }: DialogProps & { posted: boolean }) {
  const action = useAction();
  const { label } = usePlatforms();
  const { session } = useSession();
  const [url, setUrl] = useState("");
  const platform = label(post.platform);
  const decide = () =>
    action.run(async () => {
      const body = posted ? { posted, ...(url.trim() && { url: url.trim() }) } : { posted };
      await callApi("post", "/posts/{recordId}/decide", { path: { recordId: post.recordId }, body });
      done(posted ? `The post counts as published on ${platform}.` : `The post on ${platform} has failed.`);
    });
  return (
    <Dialog title={posted ? "The post is there" : "The post is not there"} close={close}>
      <Form
        action={action}
        submitLabel={posted ? "It is there" : "It is not there"}
        cancel={close}
        submit={() => void decide()}
      >
        <p>
          {post.userId === session?.userId ? "Look at your profile" : <>Look at the profile of <bdi>{post.userId}</bdi></>} on{" "}
          {platform} for this text:
        </p>
        <p class="post-quote">
          <PostText post={post} />
        </p>
        {posted ? (
          <Field
            label="Address of the post"
            type="url"
            value={url}
            change={setUrl}
            max={2048}
            placeholder="https://"
            focus
            help="It becomes the link of the post here."
          />
        ) : (
          <p>It fails with the reason that you have not found it, and can be posted again. The audit names you.</p>
        )}
      </Form>
    </Dialog>
  );
}
