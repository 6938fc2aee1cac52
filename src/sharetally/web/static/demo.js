// The demo page: three videos with the widget, and what each click leaves behind.
// It uses the widget as any page would, and nothing but the public API; the token stays in this tab.

const TOKEN = "sharetally.token";
const LOOK_EVERY = 250; // milliseconds between two looks at an event that is not counted yet
const LOOKS = 40;
const GIVE_UP_AFTER = 10_000; // milliseconds without an answer
const ALIVE_EVERY = 3_000; // milliseconds between two looks whether the service is there
const JOURNAL_LENGTH = 30;
const SHOWN_CHANNELS = 4;

const $ = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));
const shares = (number) => `${numbers.format(number)} ${number === 1 ? "share" : "shares"}`;

const labels = { none: "no channel", other: "others" };
const labelOf = (platform) => labels[platform] ?? platform;

// the token: from the address into this tab, and out of the address bar

function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  sessionStorage.setItem(TOKEN, token.trim());
  history.replaceState(null, "", location.pathname + location.search);
}

const token = () => sessionStorage.getItem(TOKEN);

function userOf(jwt) {
  try {
    const claims = jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(claims), (sign) => sign.charCodeAt(0));
    return String(JSON.parse(new TextDecoder().decode(bytes)).sub ?? "somebody");
  } catch {
    return "somebody";
  }
}

function showSession(why) {
  const jwt = token();
  $("who").hidden = jwt === null;
  if (jwt !== null) $("user").textContent = userOf(jwt);
  $("no-token").hidden = jwt !== null;
  document.body.classList.toggle("nobody", jwt === null);
  if (why) $("no-token-why").textContent = why;
}

function forgetToken() {
  sessionStorage.removeItem(TOKEN);
  showSession("Links open, and nothing is recorded: the token has expired or is not valid here.");
}

// the API, by addresses relative to this page

async function get(path) {
  const headers = { Accept: "application/json" };
  if (token() !== null) headers.Authorization = `Bearer ${token()}`;
  const answer = await fetch(path, { headers, cache: "no-cache", signal: AbortSignal.timeout(GIVE_UP_AFTER) });
  if (answer.status === 401) forgetToken();
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `the service answered ${answer.status}`);
  return answer.json();
}

function pulse(state, text) {
  $("pulse").dataset.state = state;
  if ($("pulse-text").textContent !== text) $("pulse-text").textContent = text;
}

// a card: one video, its widget, its breakdown, its proof

class Card {
  constructor(article) {
    this.article = article;
    this.widget = article.querySelector("share-buttons");
    this.video = article.dataset.video;
    this.title = article.querySelector("h2").textContent;
    this.following = 0;
    this.widget.token = () => token();
    this.widget.addEventListener("count", () => this.counted());
    this.widget.addEventListener("share", (event) => shared(this, event.detail));
    this.widget.addEventListener("click", stayHere, true);
    if (this.widget.count) this.counted();
  }

  part(name) {
    return this.article.querySelector(`.${name}`);
  }

  counted() {
    this.showYours();
    if (!this.widget.count) return;
    const { shareCount, breakdown } = this.widget.count;
    if (this.known !== undefined && shareCount !== this.known && !this.following) elsewhere(this, this.known, shareCount);
    this.known = shareCount;
    this.showChannels(breakdown.channel);
    if (token() !== null) this.prove().catch(() => {});
  }

  showChannels(channel) {
    const ranked = Object.entries(channel).sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
    const rest = ranked.slice(SHOWN_CHANNELS).reduce((sum, [, number]) => sum + number, 0);
    const parts = ranked.slice(0, SHOWN_CHANNELS).concat(rest ? [["other", rest]] : []);
    this.part("bar").replaceChildren(...parts.map(barPart));
    this.part("legend").replaceChildren(...(parts.length ? parts.map(legendPart) : [made("li", "nobody", "Nobody has shared this yet. Be the first.")]));
  }

  showYours() {
    const mine = this.widget.shared;
    const key = mine.join();
    if (key === this.mine || token() === null) return;
    this.mine = key;
    this.part("yours").replaceChildren(mine.length ? "Yours" : "Not shared by you yet", ...mine.map((each) => this.takeBack(each)));
  }

  takeBack(platform) {
    const button = made("button", "", labelOf(platform), made("i", "", "×"));
    button.type = "button";
    button.dataset.platform = platform;
    button.setAttribute("aria-label", `Take back your share of ${this.title}: ${labelOf(platform)}`);
    button.title = "Take back";
    button.addEventListener("click", () => withdrawn(this, platform));
    return button;
  }

  async prove() {
    const proof = await get(`proof/video/${this.video}`);
    for (const name of ["counted", "pending", "ledger", "drift"]) {
      this.article.querySelector(`[data-part="${name}"]`).textContent = numbers.format(proof[name]);
    }
    this.part("proof").dataset.state = proof.drift !== 0 ? "bad" : proof.pending !== 0 ? "wait" : "good";
    return proof;
  }
}

// what each card shows below its widget, there before the service has answered
function furnish(article) {
  const standing = $("standing").content.cloneNode(true);
  standing.querySelector(".legend").setAttribute("aria-label", `Shares of ${article.querySelector("h2").textContent} by channel`);
  article.querySelector(".body").append(standing);
}

// The widget's links open share pages by themselves. Here one may stay on the page, and see it recorded all the same.
function stayHere(event) {
  if (!$("open-pages").checked && event.composedPath().some((each) => each.href)) event.preventDefault();
}

function made(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

function barPart([name, number]) {
  const part = made("span");
  part.dataset.platform = name;
  part.style.flexGrow = number;
  return part;
}

function legendPart([name, number]) {
  const part = made("li", "", made("i"), `${labelOf(name)} `, made("b", "", numbers.format(number)));
  part.dataset.platform = name;
  return part;
}

// the journal

function line(template, what, card) {
  const element = $(template).content.cloneNode(true).firstElementChild;
  const now = new Date();
  element.querySelector(".what b").textContent = what;
  element.querySelector(".which span").textContent = card.title;
  element.querySelector("time").dateTime = now.toISOString();
  element.querySelector("time").textContent = clock.format(now);
  $("nothing").hidden = true;
  $("happenings").prepend(element);
  while ($("happenings").children.length > JOURNAL_LENGTH) $("happenings").lastElementChild.remove();
  return element;
}

function elsewhere(card, before, after) {
  const element = line("elsewhere", after > before ? "Shared elsewhere" : "Taken back elsewhere", card);
  element.querySelector(".told").textContent = `${numbers.format(before)} → ${shares(after)}, told to this page as it was counted`;
}

class Happening {
  constructor(what, card) {
    this.element = line("happening", what, card);
  }

  trace(name, state, ...texts) {
    const trace = this.element.querySelector(`[data-trace="${name}"]`);
    trace.dataset.state = state;
    trace.querySelector("span").replaceChildren(...texts);
  }

  rest(...texts) {
    for (const trace of this.element.querySelectorAll("[data-trace]:not([data-state])")) this.trace(trace.dataset.trace, "none", texts.shift() ?? "nothing");
  }

  failed(error) {
    const open = this.element.querySelector("[data-trace]:not([data-state])");
    if (open) this.trace(open.dataset.trace, "bad", error.message);
    this.rest("not known", "not known", "not known");
  }
}

// clicks

async function shared(card, { platform, recorded }) {
  const happening = new Happening(platform === "copy" ? labelOf(platform) : `Shared · ${labelOf(platform)}`, card);
  let refused;
  card.widget.addEventListener("share-error", ({ detail }) => {
    if (detail.recorded === recorded) refused = detail.error;
  }, { once: true });
  await during(card, async () => {
    const result = await recorded;
    await pause(0); // the refusal, if any, is told right after
    if (refused) throw refused;
    if (result === null) return happening.rest(token() === null ? "nobody is signed in" : "not recorded");
    if (result.post) return await posted(card, happening, result.post);
    const { alreadyShared, status, evidence } = result;
    happening.trace("record", "good", alreadyShared ? "it was shared already" : `${status}, ${evidence}`);
    if (alreadyShared) return happening.rest("no new line", "none", "not counted again");
    await follow(card, happening, platform);
  }, happening);
}

// what becomes of a post: the widget follows it, and says so
async function posted(card, happening, { id }) {
  happening.trace("record", "wait", "pending, being posted");
  const { platform, post } = await new Promise((ended) => {
    card.widget.addEventListener("post", function told({ detail }) {
      if (detail.post.id !== id || !["success", "failed", "cancelled"].includes(detail.post.status)) return;
      card.widget.removeEventListener("post", told);
      ended(detail);
    });
  });
  if (post.status !== "success") {
    happening.trace("record", "bad", `not posted: ${post.error?.message ?? post.status}`);
    return happening.rest("the reason", "none", "not counted");
  }
  const link = made("a", "", "the post");
  if (/^https?:/i.test(post.url)) Object.assign(link, { href: post.url, target: "_blank", rel: "noopener" });
  happening.trace("record", "good", "success, posted: ", link);
  await follow(card, happening, platform);
}

async function withdrawn(card, platform) {
  const happening = new Happening(`Taken back · ${labelOf(platform)}`, card);
  await during(card, async () => {
    await card.widget.withdraw(platform);
    card.part("yours").focus(); // the button that had it is about to go
    happening.trace("record", "good", "withdrawn");
    await follow(card, happening, platform);
  }, happening);
}

async function during(card, work, happening) {
  card.following += 1;
  try {
    await work();
  } catch (error) {
    happening.failed(error);
  } finally {
    card.following -= 1;
    card.showYours();
  }
}

async function follow(card, happening, platform) {
  const { items: [entry] } = await get(`audit?contentType=video&contentId=${card.video}&platform=${platform}&pageSize=1`);
  happening.trace("audit", "good", entry ? `${entry.action}, line ${entry.id.slice(-6)}` : "no line of yours");
  for (let look = 0; look < LOOKS; look += 1) {
    const proof = await card.prove();
    if (proof.pending === 0) {
      card.known = proof.counted; // told here, so not told as somebody else's
      happening.trace("event", "good", "burned, none pending");
      return happening.trace("count", proof.drift === 0 ? "good" : "bad", `${shares(proof.counted)}, drift ${proof.drift}`);
    }
    happening.trace("event", "wait", `${numbers.format(proof.pending)} pending`);
    happening.trace("count", "wait", `${shares(proof.counted)} so far`);
    await pause(LOOK_EVERY);
  }
  happening.trace("count", "wait", "not yet: is a worker running?");
}

// the start

let posts = false; // whether this service posts to any platform

async function loadLabels() {
  for (;;) {
    try {
      const { platforms } = await get("platforms");
      for (const { platform, label } of platforms) labels[platform] = label;
      posts = platforms.some(({ server_post }) => server_post);
      labels.copy = "Copied link"; // what was done, where the button says what it does
      return [...new Set([...platforms.map(({ platform }) => platform), "copy"])];
    } catch {
      await pause(1000);
    }
  }
}

async function watch() {
  for (;;) {
    const alive = await fetch("health/live", { signal: AbortSignal.timeout(GIVE_UP_AFTER) })
      .then((said) => said.json().then(() => said.ok)) // read, or the connection stays taken
      .catch(() => false);
    if (alive) pulse("good", "Live");
    else pulse("bad", "The service does not answer; trying again");
    await pause(ALIVE_EVERY);
  }
}

takeToken();
showSession();
addEventListener("hashchange", () => {
  takeToken();
  location.reload();
});
watch();
const articles = document.querySelectorAll("[data-video]");
articles.forEach(furnish);
const platforms = await loadLabels();
await customElements.whenDefined("share-buttons");
for (const article of articles) {
  const widget = article.querySelector("share-buttons");
  widget.setAttribute("platforms", platforms.join(" "));
  if (posts) widget.setAttribute("mode", "server_post");
  new Card(article);
}
