/** A token of the person who is signed in; nothing if nobody is. `renewed` is true if the last one was refused. */
export type TokenSource = (renewed?: boolean) => string | null | undefined | Promise<string | null | undefined>;

/** What a count is at one version. */
export interface ShareCount {
  contentType: string;
  contentId: string;
  shareCount: number;
  breakdown: Record<"evidence" | "channel" | "campaign", Record<string, number>>;
  version: number;
  asOf: string | null;
}

/** What the service answers for one platform. */
export interface ShareResult {
  platform: string;
  status: "success" | "pending" | "sending" | "failed" | "unknown";
  alreadyShared: boolean;
  evidence: "anonymous" | "declared" | "posted";
  shareUrl: string | null;
}

export interface ShareDetail {
  platform: string;
  contentType: string;
  contentId: string | undefined;
  url: string;
  /** What was recorded; null where nothing was. */
  recorded: Promise<ShareResult | null>;
}

export interface ShareErrorDetail extends ShareDetail {
  /** `status` is 0 where nothing answered; `code` is that of the problem. */
  error: Error & { status?: number; code?: string };
}

export interface ShareButtonsElement extends HTMLElement {
  /** A way to a token; never an attribute. */
  token: TokenSource | null | undefined;
  /** The last count; null before there is one. */
  readonly count: ShareCount | null;
  /** The platforms that this person has shared it on. */
  readonly shared: string[];
  /** Take back one's own share. */
  withdraw(platform: string): Promise<void>;
}

/** What `customElements.get("share-buttons")` answers once this script has run. */
export interface ShareButtonsConstructor extends CustomElementConstructor {
  new (): ShareButtonsElement;
  /** A way to a token for all of them that have none of their own. */
  token: TokenSource | null | undefined;
}

/** The attributes of the tag. */
export interface ShareButtonsAttributes {
  "content-type"?: string;
  "content-id"?: string;
  url?: string;
  text?: string;
  platforms?: string;
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
    count: CustomEvent<null>;
  }
  interface CustomElementRegistry {
    get(name: "share-buttons"): ShareButtonsConstructor | undefined;
  }
}
