// The dialog of <share-buttons mode="server_post">: the text, the platform's own count, and what became of the post.
// The widget loads it when a page has that mode. Whether a click opens it is decided at once, from what is known by
// then: who is signed in, and which accounts are connected. Everybody else gets the share page. Apache-2.0.

const FRESH = 6e4; // milliseconds for which a list of accounts is taken as it is
const SOONEST = 400; // milliseconds until the first look at a post; the pauses grow
const LATEST = 3e4;

const english = {
  title: "Post on {0}", account: "Account", text: "Text", link: "A short link is added at the end.",
  long: "The text is too long.", post: "Post", cancel: "Cancel", close: "Close", page: "Open the share page instead",
  pending: "Being posted…", scheduled: "Will be posted on {0}", posted: "Posted", show: "Show the post",
  failed: "Not posted", retry: "Try again", edit: "Edit the text",
  unknown: "It is not certain whether the post is there. We are looking for it, and do not post it again.", look: "Look again",
  away: "No answer. You can safely try again.", signin: "You are no longer signed in.",
};

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  dialog { box-sizing: border-box; width: min(28rem, 100vw - 2rem); max-height: calc(100dvh - 2rem); overflow: auto; margin: auto; padding: 1.25rem;
    border: 1px solid color-mix(in srgb, CanvasText 20%, Canvas); border-radius: .75rem; background: Canvas; color: CanvasText;
    font-size: 1rem; line-height: 1.5; text-align: start; white-space: normal; overflow-wrap: anywhere; cursor: auto }
  dialog::backdrop { background: rgb(0 0 0 / .5) }
  h2, p { margin: 0 0 .75rem; font-size: inherit }
  h2 { font-size: 1.125rem; line-height: 1.3 }
  label { display: block; margin-bottom: .75rem; font-size: .875rem }
  textarea, select { display: block; box-sizing: border-box; width: 100%; margin-top: .25rem; padding: .5rem; font: inherit; font-size: 1rem;
    color: inherit; background: color-mix(in srgb, CanvasText 4%, Canvas); border: 1px solid color-mix(in srgb, CanvasText 60%, Canvas); border-radius: .375rem }
  textarea { min-height: 6em; resize: vertical }
  .hint { display: flex; gap: 1rem; justify-content: space-between; font-size: .875rem; color: color-mix(in srgb, CanvasText 75%, Canvas) }
  .used { white-space: nowrap; font-variant-numeric: tabular-nums }
  .over, .fault { color: light-dark(#a3131f, #ffa3a9); font-weight: 600 }
  .state { font-weight: 600 }
  p:empty { display: none }
  .quiet { position: absolute; width: 1px; height: 1px; overflow: hidden }
  .row { display: flex; flex-wrap: wrap; gap: .5rem; justify-content: end; align-items: center; margin-top: 1rem }
  .row > a:first-child { margin-inline-end: auto }
  a { color: inherit; font-size: .875rem }
  dialog button { box-sizing: border-box; min-height: 2.75rem; padding: .5rem 1rem; font: inherit; color: inherit; background: none; cursor: pointer;
    border: 1px solid color-mix(in srgb, CanvasText 60%, Canvas); border-radius: .375rem }
  dialog button.main { background: var(--share-accent, var(--c)); border-color: transparent; color: var(--share-on-accent, #fff) }
  dialog button:disabled { opacity: .6; cursor: default }
  dialog :focus-visible { outline: .1875rem solid; outline-color: CanvasText; outline-offset: .125rem }`);

function made(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  element.append(...children);
  return element;
}

const isWeb = (url) => (/^https?:/i.test(url)); // the platform has named it, which may be anybody's server
const wait = (time) => new Promise((go) => setTimeout(go, time));

// counting as the platforms do: a help while writing; the service decides

const emoji = emojiPattern();
function emojiPattern() {
  try {
    return new RegExp("\\p{RGI_Emoji}", "gv");
  } catch {
    return new RegExp("\\p{Extended_Pictographic}(?:[\\u200d\\ufe0f]|\\p{Emoji_Modifier}|(?<=\\u200d)\\p{Extended_Pictographic})*|\\p{RI}{2}|[0-9#*]\\ufe0f?\\u20e3", "gu");
  }
}

// how many emoji there are by `size`, plus every other character by `weight`
function withEmoji(text, size, weight) {
  let total = 0;
  const rest = text.replace(emoji, (found) => {
    total += size(found);
    return "";
  });
  for (const character of rest) total += weight(character, character.codePointAt());
  return total;
}
const bytes = (text) => new TextEncoder().encode(text).length;
const light = (code) => code < 4352 || (code > 8191 && code < 8206) || (code > 8207 && code < 8224) || (code > 8241 && code < 8248);
const units = {
  characters: (text) => [...text].length,
  utf16: (text) => text.length,
  graphemes: (text) => [...new Intl.Segmenter().segment(text)].length,
  weighted: (text) => withEmoji(text.normalize("NFC"), () => 2, (character, code) => (light(code) ? 1 : 2)),
  "emoji-bytes": (text) => withEmoji(text, bytes, (character, code) => (code > 126975 || /[\u200d\ufe0f\u20e3]/u.test(character) ? bytes(character) : 1)),
};

// the length of the post that this text becomes: with the link where {url} stands, or at the end
export function textLength(text, { unit, linkLength, urlLength }) {
  const [before, ...after] = text.split("{url}");
  const parts = after.length ? [before, after.join("")] : [text.trim() && `${text.trimEnd()} `];
  // for X an address ends where another alphabet begins, or at a bracket that it did not open
  const [behind, sign] = unit === "weighted" ? ["A-Za-z0-9@$#", "\\([!#-'*-;=?-~]*\\)|[!#-'*-;=?-~]"] : ["\\p{L}\\p{M}\\p{N}_@", "[^\\s<>\"]"];
  const addresses = new RegExp(`(?<![${behind}])https?://(?:${sign})+`, "gu");
  const shortened = (address) => "x".repeat(urlLength) + address.slice(address.replace(/[.,:;!?'")\]}]+$/, "").length);
  return parts.reduce((sum, part) => sum + units[unit](urlLength ? part.replace(addresses, shortened) : part), linkLength);
}

// what is known of a service: what its platforms can do, and who has accounts there

const services = new WeakMap(); // hub -> its platforms, and what people have
function serviceOf(hub) {
  if (!services.has(hub)) services.set(hub, { platforms: new Map(), people: new WeakMap() });
  return services.get(hub);
}

// the accounts from which a click on this platform's button can post, as known now
function accountsFor({ hub, giver, key }, platform) {
  if (!key || !giver || !serviceOf(hub).platforms.get(platform)?.server_post) return [];
  return serviceOf(hub).people.get(giver)?.accounts.filter((each) => each.platform === platform && each.status === "connected") ?? [];
}

async function learn(widget, [ask, tokenFrom]) {
  const { hub, giver } = widget;
  if (!hub || !giver) return;
  const { platforms, people } = serviceOf(hub);
  const person = people.get(giver) ?? { since: 0, accounts: [] };
  people.set(giver, person);
  if (Date.now() - person.since > FRESH) {
    person.since = Date.now();
    try {
      const token = await tokenFrom(giver);
      if (!platforms.size) for (const each of (await ask(`${hub.base}/platforms`, "", undefined, "GET")).platforms) platforms.set(each.platform, each);
      person.accounts = token ? (await ask(`${hub.base}/accounts`, token, undefined, "GET")).items : [];
    } catch {
      person.since = 0; // asked again the next time
    }
  }
  widget.buttons.forEach((button, platform) => {
    if (accountsFor(widget, platform).length) button.setAttribute("aria-haspopup", "dialog");
    else button.removeAttribute("aria-haspopup");
  });
}

const attached = new WeakSet();
export function attach(widget, requests) {
  const refresh = () => {
    learn(widget, requests);
  };
  refresh();
  if (attached.has(widget)) return;
  attached.add(widget);
  const root = widget.shadowRoot;
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  for (const kind of ["count", "pointerenter", "focusin"]) widget.addEventListener(kind, refresh);
  // before the button's own listener, which opens the share page
  root.addEventListener("click", (event) => {
    const button = event.target.closest(".b");
    if (!button || event.ctrlKey || event.metaKey || event.shiftKey || widget.getAttribute("mode") !== "server_post") return;
    const accounts = accountsFor(widget, button.name);
    if (!accounts.length) return;
    event.preventDefault();
    event.stopPropagation();
    new PostDialog(widget, requests, button, accounts).open();
  }, true);
}

const labels = new Map(); // language -> its words, fetched once
function wordsOf(base, language) {
  if (!labels.has(language)) labels.set(language, language === "en" ? english : fetch(`${base}/widget/dialog/${language}.json`).then((found) => found.json()).catch(() => labels.delete(language) && english));
  return labels.get(language);
}

// one person's post of one content item on one platform
class PostDialog {
  constructor(widget, requests, button, accounts) {
    const { giver, hub, key, link, language } = widget; // as clicked, though the page may show something else later
    Object.assign(this, { widget, giver, hub, key, link, language, accounts, platform: button.name, page: button.href });
    [this.ask, this.tokenFrom] = requests;
    Object.assign(this, serviceOf(hub).platforms.get(this.platform));
    this.colour = button.style.getPropertyValue("--c");
    this.draft = widget.told("text");
  }

  async open() {
    const known = "ar de es fr hi it ja nl pl pt zh".includes(this.language.slice(0, 2)) ? this.language.slice(0, 2) : "en";
    this.words = { ...english, ...await wordsOf(this.hub.base, known) };
    if (this.widget.shadowRoot.querySelector("dialog")) return;
    this.element = made("dialog", { part: "dialog", "aria-labelledby": "title" });
    this.element.style.setProperty("--c", this.colour);
    this.state = made("p", { class: "state", role: "status" });
    this.fault = made("p", { class: "fault", role: "alert" });
    this.body = made("div", {});
    this.element.append(made("h2", { id: "title" }, this.words.title.replace("{0}", this.label)), this.state, this.fault, this.body);
    this.element.addEventListener("close", () => this.element.remove());
    this.widget.shadowRoot.append(this.element);
    this.write();
    this.element.showModal();
    this.area.focus();
    const { area } = this;
    const mine = await this.status().catch(() => null);
    // somebody who has begun to write is not interrupted: the service will say so if there is a post already
    if (!area.isConnected || area.value !== this.draft || !mine?.myPost || !this.counts(mine)) return;
    this.told = mine.myPost.id + mine.myPost.status; // nothing new
    this.show(mine.myPost);
  }

  // whether this post still says something about the share
  counts({ myPost, sharedByMe }) {
    return myPost.status === "success" ? sharedByMe : myPost.status !== "cancelled";
  }

  // the form

  write() {
    const { words } = this;
    this.state.textContent = "";
    this.area = made("textarea", { rows: "4", maxlength: "5000", "aria-describedby": "hint" });
    this.area.value = this.draft;
    this.used = made("span", { class: "used" });
    this.long = made("span", { class: "quiet", role: "status" });
    this.select = made("select", {}, ...this.accounts.map(({ id, handle, label }) => made("option", { value: id }, label ? `${label} (${handle})` : handle)));
    this.select.value = (this.accounts.find((each) => each.isDefault) ?? this.accounts[0]).id;
    this.send = made("button", { class: "main" }, words.post);
    const form = made("form", {},
      made("label", {}, words.account, this.select),
      made("label", {}, words.text, this.area),
      made("p", { class: "hint" }, made("span", { id: "hint" }, words.link), this.used, this.long),
      made("div", { class: "row" }, ...this.pageLink(), this.button(words.cancel, () => this.element.close()), this.send));
    this.area.addEventListener("input", () => this.measure());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.body.replaceChildren(form);
    this.measure();
  }

  measure() {
    const rule = this.textRule;
    if (!rule) return;
    const length = textLength(this.area.value, rule), over = length > rule.limit;
    const shown = new Intl.NumberFormat(this.language);
    this.used.textContent = `${shown.format(length)} / ${shown.format(rule.limit)}`;
    this.used.classList.toggle("over", over);
    this.area.ariaInvalid = over;
    if (Boolean(this.long.textContent) !== over) this.long.textContent = over ? this.words.long : "";
  }

  button(text, act, kind = "") {
    const button = made("button", { type: "button", class: kind }, text);
    button.addEventListener("click", act);
    return button;
  }

  pageLink() {
    if (!this.page) return [];
    const link = made("a", { href: this.page, target: "_blank", rel: "noopener" }, this.words.page);
    link.addEventListener("click", () => this.element.close());
    return [link];
  }

  async submit() {
    const { area, hub, key, link: url, platform, select, widget } = this;
    if (this.send.disabled) return;
    let record;
    const recorded = new Promise((done) => { record = done; });
    const [contentType, contentId] = key.split("/");
    const detail = { platform, contentType, contentId, url, recorded };
    this.draft = area.value;
    this.fault.textContent = "";
    if (!widget.tell("share", detail)) {
      record(null);
      return this.element.close();
    }
    this.send.disabled = true;
    try {
      const { results } = await this.call(hub.at(key, "share"), { platforms: [platform], mode: "server_post", text: this.draft, accounts: { [platform]: select.value } });
      record(results[0]);
      this.show(results[0].post ?? (await this.status()).myPost);
    } catch (error) {
      record(null);
      this.send.disabled = false;
      this.complain(error);
      area.focus();
      widget.tell("share-error", { ...detail, error });
    }
  }

  complain({ status, message }) {
    this.fault.textContent = status ? message : status === 0 ? this.words.away : this.words.signin;
  }

  // the post

  show(post) {
    const { words } = this, { status, error, url, scheduledAt } = post;
    const waits = status === "pending" && Date.parse(scheduledAt) > Date.now();
    const said = waits ? "scheduled" : { success: "posted", sending: "pending", cancelled: "failed" }[status] ?? status;
    const when = waits ? new Intl.DateTimeFormat(this.language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(scheduledAt)) : "";
    const again = (text) => this.button(text, () => this.retry(), "main");
    const buttons = {
      success: () => [],
      failed: () => [...this.pageLink(), this.button(words.edit, () => {
        this.fault.textContent = "";
        this.write();
        this.area.focus();
      }), again(words.retry)],
      unknown: () => [again(words.look)],
    }[status]?.() ?? [];
    this.state.textContent = words[said].replace("{0}", when);
    this.fault.textContent = status === "success" ? "" : error?.message ?? "";
    const close = this.button(words.close, () => this.element.close(), status === "success" ? "main" : "");
    const link = isWeb(url) ? made("p", {}, made("a", { href: url, target: "_blank", rel: "noopener" }, words.show)) : "";
    this.body.replaceChildren(link, made("div", { class: "row" }, ...buttons, close));
    close.focus();
    this.report(post);
    if (["pending", "sending", "unknown"].includes(status)) this.follow(post);
  }

  report(post) {
    const { giver, hub, key, platform, widget } = this, [contentType, contentId] = key.split("/");
    if (this.told === post.id + post.status) return;
    this.told = post.id + post.status;
    widget.tell("post", { platform, contentType, contentId, post });
    if (post.status !== "success") return;
    const mine = hub.mine.get(key);
    if (mine?.who === giver) mine.add(platform); // or somebody else signed in meanwhile
    hub.know(key);
    if (!hub.live) hub.again(key, SOONEST);
  }

  // until it has ended, with growing pauses, also after the dialog was closed; one loop at a time
  async follow(before) {
    const loop = this.loop = {};
    for (let pause = SOONEST; ; pause = Math.min(LATEST, pause * 1.5)) {
      await wait(pause);
      if (this.loop !== loop || this.widget.giver !== this.giver || !this.widget.isConnected) return;
      const post = (await this.status().catch(() => null))?.myPost;
      if (this.loop !== loop) return;
      if (!post || post.id + post.status + post.error?.message === before.id + before.status + before.error?.message) continue;
      if (this.element.isConnected) return this.show(post);
      this.report(before = post);
      if (["success", "failed", "cancelled"].includes(post.status)) return;
    }
  }

  async retry() {
    const { hub, key, platform } = this;
    this.loop = null;
    try {
      await this.call(hub.at(key, `share/${platform}/retry`), {});
    } catch (error) {
      if (error.status !== 409) return this.complain(error); // 409: it is under way already
    }
    const mine = await this.status().catch(() => null);
    if (mine?.myPost) this.show(mine.myPost);
  }

  // requests

  async status() {
    const { platforms } = await this.call(this.hub.at(this.key, "share-status"), undefined, "GET");
    return platforms.find((each) => each.platform === this.platform);
  }

  async call(url, body, method) {
    for (let renewed = false; ; renewed = true) {
      const token = await this.tokenFrom(this.giver, renewed);
      if (!token) throw Error("nobody is signed in");
      try {
        return await this.ask(url, token, body, method);
      } catch (refused) {
        if (renewed || refused.status !== 401) throw refused;
      }
    }
  }
}
