/** Returns a token of the person who is signed in, or nothing if nobody is. `renewed` is true if the last token was refused. */
export type TokenSource = (renewed?: boolean) => string | null | undefined | Promise<string | null | undefined>;

/** A count at one version. */
export interface ShareCount {
  contentType: string;
  contentId: string;
  shareCount: number;
  breakdown: Record<"evidence" | "channel" | "campaign", Record<string, number>>;
  version: number;
  asOf: string | null;
}

/** The service's result for one platform. */
export interface ShareResult {
  platform: string;
  status: "success" | "pending" | "sending" | "failed" | "unknown";
  alreadyShared: boolean;
  evidence: "anonymous" | "declared" | "posted";
  shareUrl: string | null;
  /** With `server_post`: the post. */
  post?: SharePost;
  /** With `server_post`: what may go wrong with this text. */
  warnings?: string[];
}

/** A post from a person's own account. */
export interface SharePost {
  id: string;
  accountId: string;
  status: "pending" | "sending" | "success" | "failed" | "unknown" | "cancelled";
  scheduledAt?: string;
  /** The post at the platform, once it is there. */
  url?: string;
  /** Why it failed, or why it still waits. */
  error?: { code: string; message: string };
}

export interface PostDetail {
  platform: string;
  contentType: string;
  contentId: string;
  post: SharePost;
}

export interface ShareDetail {
  platform: string;
  contentType: string;
  contentId: string | undefined;
  url: string;
  /** The recorded result; null if nothing was recorded. */
  recorded: Promise<ShareResult | null>;
}

export interface ShareErrorDetail extends ShareDetail {
  /** `status` is 0 if there was no answer; `code` is the code of the problem. */
  error: Error & { status?: number; code?: string };
}

export interface ShareButtonsElement extends HTMLElement {
  /** The function that returns a token; not available as an attribute. */
  token: TokenSource | null | undefined;
  /** The last count; null before there is one. */
  readonly count: ShareCount | null;
  /** The platforms on which this person has shared the content item. */
  readonly shared: string[];
  /** Withdraws the person's own share. */
  withdraw(platform: string): Promise<void>;
}

/** What `customElements.get("share-buttons")` returns once this script has run. */
export interface ShareButtonsConstructor extends CustomElementConstructor {
  new (): ShareButtonsElement;
  /** The function that returns a token for all widgets that have none of their own. */
  token: TokenSource | null | undefined;
}

/** The attributes of the tag. */
export interface ShareButtonsAttributes {
  "content-type"?: string;
  "content-id"?: string;
  url?: string;
  text?: string;
  platforms?: string;
  mode?: "track_only" | "server_post";
  api?: string;
  instance?: string;
  lang?: string;
}

declare global {
  interface HTMLElementTagNameMap {
    "share-buttons": ShareButtonsElement;
  }
  interface GlobalEventHandlersEventMap {
    share: CustomEvent<ShareDetail>;
    "share-error": CustomEvent<ShareErrorDetail>;
    post: CustomEvent<PostDetail>;
    count: CustomEvent<null>;
  }
  interface CustomElementRegistry {
    get(name: "share-buttons"): ShareButtonsConstructor | undefined;
  }
}
