import "@sharetally/share-buttons";
import type { TokenSource } from "@sharetally/share-buttons";

export function Share({ id, title, getToken }: { id: string; title: string; getToken: TokenSource }) {
  return (
    <share-buttons
      ref={(element) => { if (element) element.token = getToken; }}
      token={getToken} class="below" lang="de" platforms="mastodon copy" instance="fosstodon.org"
      api="https://shares.example.com"
      content-type="article" content-id={id} text={title}
      url={`https://shop.example.com/articles/${id}`}
    />
  );
}
