/** A row of the list of posts: the text and its fate, and the buttons for what can be done. */

import { Icon } from "../../components/icon";
import type { Column } from "../../components/table";
import { Badge, ContentLink, Timestamp, TruncatedText } from "../../components/values";
import { safeUrl, view } from "../../urls";
import { isScheduled, PostText, type Post } from "./post";

/** What a person can do about a post. */
export type Act = "posted" | "not-posted" | "cancel" | "again";

interface Context {
  readonly now: number;
  readonly label: (platform: string) => string;
  /** Whose posts may be cancelled and repeated: those of this user. */
  readonly user: string | undefined;
  /** Whether everybody's posts are listed, and may be decided about. */
  readonly everybody: boolean;
  readonly mayAudit: boolean;
  readonly act: (act: Act, post: Post) => void;
}

const ACCOUNT_ERRORS = new Set(["needs-reauth", "account-missing"]);

export function columns(context: Context): readonly Column<Post>[] {
  const { now, label, everybody, mayAudit } = context;
  return [
    {
      head: "Post",
      as: "lead",
      cell: (post) => (
        <div class="post">
          <PostText post={post} />
          <Note post={post} own={post.userId === context.user} platform={label(post.platform)} />
          <ContentLink type={post.contentType} id={post.contentId} />
        </div>
      ),
    },
    { head: "Platform", as: "plain", cell: ({ platform }) => label(platform) },
    {
      head: "Status",
      as: "plain",
      cell: (post) => <Badge word={isScheduled(post, now) ? "scheduled" : post.status} />,
    },
    ...(everybody ? [{ head: "User", cell: ({ userId }: Post) => <TruncatedText text={userId} /> }] : []),
    {
      head: "Time",
      cell: (post) => {
        const at = post.finishedAt ?? (isScheduled(post, now) ? post.scheduledAt : null) ?? post.createdAt;
        if (!mayAudit) return <Timestamp at={at} />;
        return (
          <a href={view(["audit", post.recordId])} aria-label={`History of this share, ${at}`}>
            <Timestamp at={at} />
          </a>
        );
      },
    },
    { head: "Actions", as: "foot", hideHead: true, cell: (post) => <Actions post={post} {...context} /> },
  ];
}

/** Why the post has not appeared, and what helps. */
function Note({ post: { status, error }, own, platform }: { post: Post; own: boolean; platform: string }) {
  if (status === "unknown") {
    return (
      <span class="post-note">
        {platform} did not say whether it is there. The service keeps looking for a day; you can look and decide.
      </span>
    );
  }
  if (!error?.message) return null;
  return (
    <span class={`post-note ${status === "failed" ? "bad" : ""}`}>
      {error.message.charAt(0).toUpperCase() + error.message.slice(1)}
      {own && ACCOUNT_ERRORS.has(error.code) && (
        <>
          {". "}
          <a href={view("accounts")}>Go to your accounts</a>
        </>
      )}
    </span>
  );
}

function Actions({ post, user, everybody, act }: { post: Post } & Context) {
  const own = post.userId === user;
  const address = safeUrl(post.url);
  return (
    <div class="post-actions">
      {post.status === "success" && address && (
        <a class="button small" href={address} target="_blank" rel="noreferrer">
          <Icon name="external" />
          View post
        </a>
      )}
      {post.status === "unknown" && (own || everybody) && (
        <>
          <button type="button" class="button small" onClick={() => act("posted", post)}>
            It is there
          </button>
          <button type="button" class="button small" onClick={() => act("not-posted", post)}>
            It is not there
          </button>
        </>
      )}
      {post.status === "failed" && own && (
        <button type="button" class="button small" onClick={() => act("again", post)}>
          <Icon name="retry" />
          Post again
        </button>
      )}
      {post.status === "pending" && own && (
        <button type="button" class="button small" onClick={() => act("cancel", post)}>
          <Icon name="close" />
          Cancel
        </button>
      )}
    </div>
  );
}
