/** A post that has failed is requested again: with another text or from another account, if that was the reason. */

import { useState } from "preact/hooks";
import { useAction } from "../../api/action";
import { callApi } from "../../api/client";
import { usePlatforms } from "../../api/platforms";
import { useQuery } from "../../api/query";
import { Dialog, Form } from "../../components/dialog";
import { Field, Select } from "../../components/field";
import { ProblemNotice, Skeleton } from "../../components/states";
import { view } from "../../urls";
import type { DialogProps } from "./post";

const LINK = "{url}"; // stands for the address that the new post gets
const MAX_TEXT = 5000;

export function PostAgain({ post, close, done }: DialogProps) {
  const action = useAction();
  const { label } = usePlatforms();
  const { contentType, contentId, platform } = post;
  const { data, problem, refetch } = useQuery("/accounts");
  const [text, setText] = useState(post.shortUrl ? post.text.replace(post.shortUrl, LINK) : post.text);
  const [chosen, choose] = useState(post.accountId);
  const accounts = data?.items.filter((account) => account.platform === platform) ?? [];
  const account =
    accounts.find(({ id }) => id === chosen) ?? accounts.find(({ isDefault }) => isDefault) ?? accounts[0];
  const postAgain = () =>
    action.run(async () => {
      if (!account) return;
      const body = { mode: "server_post" as const, platforms: [platform], accounts: { [platform]: account.id }, text };
      const { results } = await callApi("post", "/content/{contentType}/{contentId}/share", {
        path: { contentType, contentId },
        body,
      });
      const warnings = results.flatMap((result) => result.warnings ?? []);
      const requested = results.some((result) => result.post && result.post.id !== post.id);
      const outcome = requested ? `It is posted on ${label(platform)} again.` : `It is on ${label(platform)} already.`;
      done([outcome, ...warnings].join(" "));
    });
  return (
    <Dialog title={`Post on ${label(platform)} again`} close={close}>
      {problem && <ProblemNotice problem={problem} retry={refetch} />}
      {!data && !problem && <Skeleton rows={4} />}
      {data && !account && (
        <p>
          You have no account on {label(platform)} that is connected. <a href={view("accounts")}>Connect one</a> first.
        </p>
      )}
      {account && (
        <Form
          action={action}
          submitLabel="Post again"
          submitDisabled={account.status === "needs_reauth"}
          cancel={close}
          submit={() => void postAgain()}
        >
          {post.error?.message && <p class="post-note bad">Last time: {post.error.message}</p>}
          <Select
            label="Account"
            value={account.id}
            options={accounts.map(({ id, handle, label: name }) => [id, name ? `${name} (${handle})` : handle])}
            change={choose}
          />
          {account.status === "needs_reauth" && (
            <p>
              This account has to be connected again first: <a href={view("accounts")}>go to your accounts</a>.
            </p>
          )}
          <Field
            label="Text"
            value={text}
            change={setText}
            lines={5}
            max={MAX_TEXT}
            help={`The new post gets a short link of its own, where ${LINK} stands, otherwise at the end.`}
          />
        </Form>
      )}
    </Dialog>
  );
}
