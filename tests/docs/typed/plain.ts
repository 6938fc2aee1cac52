import "@sharetally/share-buttons";
import type { ShareButtonsElement, ShareResult, TokenSource } from "@sharetally/share-buttons";

const token: TokenSource = async (renewed) => (renewed ? null : "a token");
const buttons: ShareButtonsElement = document.createElement("share-buttons");
buttons.token = token;
document.body.append(buttons);

const all = customElements.get("share-buttons");
if (all) all.token = () => undefined;

document.addEventListener("share", async (event) => {
  const result: ShareResult | null = await event.detail.recorded;
  const id: string | undefined = event.detail.contentId;
  console.log(id, "on", event.detail.platform, result?.alreadyShared, result?.shareUrl?.length);
});
window.addEventListener("share-error", ({ detail }) => console.warn(detail.error.code, detail.error.status, detail.url));
buttons.addEventListener("count", ({ detail }) => {
  const nothing: null = detail;
  const count: number | undefined = buttons.count?.shareCount;
  console.log(nothing, count, buttons.count?.breakdown.channel["twitter"], buttons.shared.join());
});
document.querySelector("share-buttons")?.withdraw("twitter").then(() => console.log("taken back"));
