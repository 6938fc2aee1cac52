// The demo page: three videos, their share buttons, and what each click leaves behind.
// It uses nothing but the public API, by addresses relative to its own, and keeps the token in this tab.

const TOKEN = "sharetally.token";
const READ_EVERY = 1000; // milliseconds between two looks at the counts
const FOLLOW_EVERY = 250; // milliseconds between two looks at an event that is not counted yet
const FOLLOW_AT_MOST = 40;
const GIVE_UP_AFTER = 10_000; // milliseconds without an answer
const JOURNAL_LENGTH = 30;
const SHOWN_CHANNELS = 5;
const WITHOUT_TAB = new Set(["email", "sms", "native", "copy"]); // another program or this page opens these
const LINK_ONLY = new Set(["native", "copy"]); // these have no page: what they share is the link itself
const SAFE_SCHEMES = new Set(["https:", "http:", "mailto:", "sms:"]);
const LETTERS = { facebook: "f", linkedin: "in", reddit: "r", threads: "@" }; // others: the label's first

const $ = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));
const shares = (number) => `${numbers.format(number)} ${number === 1 ? "share" : "shares"}`;

let platforms = [];
let cards = [];

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
  if (why) $("no-token-why").textContent = why;
  for (const button of document.querySelectorAll(".share button")) button.disabled = jwt === null;
}

function forgetToken() {
  sessionStorage.removeItem(TOKEN);
  for (const card of cards) card.part("proof").hidden = true;
  showSession("The token has expired or is not valid here:");
}

// the API

class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The service answered ${status}`);
    this.status = status;
  }
}

async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (token() !== null) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const signal = AbortSignal.timeout(GIVE_UP_AFTER);
  const request = { method, headers, signal, body: body && JSON.stringify(body), cache: "no-cache" };
  const response = await fetch(path, request).catch(() => {
    throw new Refusal(0, { detail: "The service does not answer" });
  });
  if (response.status === 401 && token() !== null) forgetToken();
  if (!response.ok) throw new Refusal(response.status, await response.json().catch(() => ({})));
  return response.status === 204 ? null : response.json();
}

const api = {
  platforms: () => call("GET", "platforms"),
  count: (video) => call("GET", `share-links/count/video/${video}${$("consistent").checked ? "?consistent=true" : ""}`),
  status: (video) => call("GET", `videos/${video}/share-status`),
  proof: (video) => call("GET", `proof/video/${video}`),
  audit: (video, platform) =>
    call("GET", `audit?contentType=video&contentId=${video}&platform=${platform}&pageSize=1`),
  share: (video, platform, text) => call("POST", `videos/${video}/share`, { platforms: [platform], text }),
  withdraw: (video, platform) => call("DELETE", `videos/${video}/share/${platform}`),
};

// a card: one video, its count, its buttons

class Card {
  constructor(article) {
    this.article = article;
    this.video = encodeURIComponent(article.dataset.video);
    this.title = article.querySelector("h2").textContent;
    this.asked = 0;
    this.shown = 0;
    this.version = null;
    article.querySelector(".body").append($("tally").content.cloneNode(true));
    this.part("shares").setAttribute("aria-label", `Share ${this.title}`);
  }

  part(name) {
    return this.article.querySelector(`.${name}`);
  }

  addPlatform(platform) {
    const share = $("share").content.cloneNode(true).firstElementChild;
    share.dataset.platform = platform.name;
    share.querySelector(".mark").append(markOf(platform));
    share.querySelector(".name").textContent = platform.label;
    const [go, undo] = share.querySelectorAll("button");
    go.setAttribute("aria-label", `Share ${this.title}: ${platform.label}`);
    undo.setAttribute("aria-label", `Withdraw your share of ${this.title}: ${platform.label}`);
    undo.title = "Withdraw your share";
    go.addEventListener("click", () => shareOn(this, platform));
    undo.addEventListener("click", () => withdrawFrom(this, platform));
    this.part("shares").append(share);
  }

  share(name) {
    return this.article.querySelector(`.share[data-platform="${CSS.escape(name)}"]`);
  }

  async readCount() {
    const turn = ++this.asked;
    const count = await api.count(this.video);
    if (turn < this.shown) return; // a later look has answered already
    this.shown = turn;
    this.showCount(count);
    if (token() !== null && count.version !== this.version) await Promise.all([this.readStatus(), this.readProof()]);
    this.version = count.version;
  }

  async readStatus() {
    const { platforms: all } = await api.status(this.video);
    for (const each of all) this.showStatus(each);
  }

  async readProof() {
    const proof = await api.proof(this.video);
    this.showProof(proof);
    return proof;
  }

  showCount({ shareCount, breakdown }) {
    const number = this.part("number");
    const text = numbers.format(shareCount);
    if (number.textContent !== text) {
      const first = number.textContent === "–";
      number.textContent = text;
      this.part("unit").textContent = shareCount === 1 ? "share" : "shares";
      if (!first) replay(number, "moved");
    }
    this.article.classList.toggle("unshared", shareCount === 0);
    this.showBreakdown(breakdown);
  }

  showBreakdown({ channel, evidence }) {
    const ranked = Object.entries(channel).sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
    const rest = ranked.slice(SHOWN_CHANNELS).reduce((sum, [, number]) => sum + number, 0);
    const parts = ranked.slice(0, SHOWN_CHANNELS).concat(rest ? [["other", rest]] : []);
    const kinds = Object.entries(evidence).map(([name, number]) => `${numbers.format(number)} ${name}`);
    const key = JSON.stringify([parts, kinds]);
    if (key === this.breakdown) return;
    this.breakdown = key;
    this.part("bar").replaceChildren(...parts.map(barPart));
    this.part("legend").replaceChildren(...parts.map(legendPart), kinds.length ? kindsPart(kinds) : nobodyPart());
  }

  showStatus({ platform, shareCount, sharedByMe, lastSharedAt }) {
    const share = this.share(platform);
    if (share === null) return;
    share.classList.toggle("mine", sharedByMe);
    share.querySelector(".undo").hidden = !sharedByMe;
    share.querySelector(".made").textContent = shareCount > 0 ? numbers.format(shareCount) : "";
    const go = share.querySelector(".go");
    go.title = lastSharedAt ? `Last shared ${new Date(lastSharedAt).toLocaleString()}` : "";
    const act = sharedByMe ? "Shared by you. Share again" : "Share";
    go.setAttribute("aria-label", `${act} ${this.title}: ${labelOf(platform)}`);
  }

  showProof({ counted, pending, ledger, drift }) {
    const proof = this.part("proof");
    proof.hidden = false;
    for (const [part, value] of Object.entries({ counted, pending, ledger, drift })) {
      proof.querySelector(`[data-part="${part}"]`).textContent = numbers.format(value);
    }
    proof.dataset.state = drift !== 0 ? "bad" : pending !== 0 ? "wait" : "good";
  }
}

function replay(element, name) {
  element.classList.remove(name);
  void element.offsetWidth; // reading it lets the animation start again
  element.classList.add(name);
}

function made(tag, name, ...children) {
  const element = document.createElement(tag);
  element.className = name;
  element.append(...children);
  return element;
}

const labelOf = (name) =>
  platforms.find((platform) => platform.name === name)?.label ?? { none: "no channel", other: "others" }[name] ?? name;

const markOf = ({ name, label }) => $(`mark-${name}`)?.content.cloneNode(true) ?? LETTERS[name] ?? label[0];

function barPart([name, number]) {
  const part = made("span", "");
  part.dataset.platform = name;
  part.style.flexGrow = number;
  return part;
}

function legendPart([name, number]) {
  const part = made("li", "", made("i", ""), `${labelOf(name)} `, made("b", "", numbers.format(number)));
  part.dataset.platform = name;
  return part;
}

const kindsPart = (kinds) => made("li", "kinds", kinds.join(", "));
const nobodyPart = () => made("li", "nobody", "Nobody has shared this yet. Be the first.");

// the journal: what a click left behind

class Happening {
  constructor(what, platform, card) {
    this.element = $("happening").content.cloneNode(true).firstElementChild;
    this.platform = platform;
    this.say(what);
    this.element.querySelector(".which").textContent = card.title;
    const time = this.element.querySelector("time");
    const now = new Date();
    time.dateTime = now.toISOString();
    time.textContent = clock.format(now);
    $("journey").hidden = true;
    $("happenings").prepend(this.element);
    while ($("happenings").children.length > JOURNAL_LENGTH) $("happenings").lastElementChild.remove();
  }

  say(what) {
    this.element.querySelector(".what b").textContent = `${what} · ${this.platform.label}`;
  }

  trace(name, state, text) {
    const line = this.element.querySelector(`[data-trace="${name}"]`);
    line.dataset.state = state;
    line.lastElementChild.textContent = text;
  }

  unchanged() {
    this.trace("audit", "none", "no new line");
    this.trace("event", "none", "none was written");
    this.trace("count", "none", "unchanged");
  }

  refused(error) {
    const open = this.element.querySelectorAll("[data-trace]:not([data-state])");
    const [first, ...rest] = Array.from(open, (line) => line.dataset.trace);
    if (first === "record") this.say("Failed");
    if (first) this.trace(first, "bad", error.message);
    for (const name of rest) this.trace(name, "none", "not known");
  }

  offer(url, label) {
    const link = this.element.querySelector(".page");
    link.href = url;
    link.textContent = label;
    link.hidden = false;
  }
}

// clicks

async function shareOn(card, platform) {
  const tab = $("open-pages").checked && !WITHOUT_TAB.has(platform.name) ? openTab() : null;
  const happening = new Happening("Shared", platform, card);
  await during(card.share(platform.name), async () => {
    try {
      const { results: [result] } = await api.share(card.video, platform.name, card.title);
      lead(happening, platform, result.shareUrl, tab);
      const already = result.alreadyShared ? ", was shared already" : "";
      happening.trace("record", "good", `${result.status}, ${result.evidence}${already}`);
      if (result.alreadyShared) happening.unchanged();
      else await follow(card, happening, platform);
    } catch (error) {
      tab?.close();
      happening.refused(error);
    }
  });
}

async function withdrawFrom(card, platform) {
  const happening = new Happening("Withdrawn", platform, card);
  const share = card.share(platform.name);
  await during(share, async () => {
    try {
      await api.withdraw(card.video, platform.name);
      share.querySelector(".go").focus(); // the button that had the focus is about to go
      happening.trace("record", "good", "withdrawn");
      await follow(card, happening, platform);
    } catch (error) {
      happening.refused(error);
      await card.readStatus().catch(() => {});
    }
  });
}

async function during(share, work) {
  share.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    share.removeAttribute("aria-busy");
  }
}

async function follow(card, happening, platform) {
  const [{ items: [line] }] = await Promise.all([api.audit(card.video, platform.name), card.readStatus()]);
  happening.trace("audit", "good", line ? `${line.action}, line ${line.id.slice(-8)}` : "no line of yours");
  for (let look = 0; look < FOLLOW_AT_MOST; look += 1) {
    const proof = await card.readProof();
    if (proof.pending === 0) return arrived(card, happening, proof);
    happening.trace("event", "wait", `${numbers.format(proof.pending)} pending`);
    happening.trace("count", "wait", `${numbers.format(proof.counted)} counted so far`);
    await pause(FOLLOW_EVERY);
  }
  happening.trace("count", "wait", "not yet: is a worker running?");
}

async function arrived(card, happening, { counted, drift }) {
  happening.trace("event", "good", "burned, none pending");
  happening.trace("count", drift === 0 ? "good" : "bad", `${shares(counted)}, drift ${drift}`);
  await card.readCount();
}

// A tab opened after an answer would be a pop-up: it is opened in the click, and sent on its way later.
function openTab() {
  const tab = window.open("", "_blank");
  if (tab !== null) tab.opener = null;
  return tab;
}

function lead(happening, platform, shareUrl, tab) {
  const url = safe(shareUrl);
  if (url === null) {
    tab?.close();
    return;
  }
  happening.offer(url, LINK_ONLY.has(platform.name) ? "Open the link" : `Open ${platform.label}`);
  if (tab !== null) tab.location.replace(url);
  else if (platform.name === "copy") navigator.clipboard?.writeText(url).catch(() => {});
  else if (platform.name === "native") navigator.share?.({ url }).catch(() => {});
  else if ($("open-pages").checked && WITHOUT_TAB.has(platform.name)) location.assign(url);
}

function safe(url) {
  try {
    const parsed = new URL(url);
    return SAFE_SCHEMES.has(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

// reading

function pulse(state, text) {
  $("pulse").dataset.state = state;
  if ($("pulse-text").textContent !== text) $("pulse-text").textContent = text;
}

async function readAll() {
  try {
    await Promise.all(cards.map((card) => card.readCount()));
    pulse("good", "Counts read every second");
  } catch (error) {
    if (error.status !== 401) pulse("bad", `${error.message}; trying again`);
  }
}

async function readForever() {
  for (;;) {
    if (document.visibilityState === "visible") await readAll();
    await pause(READ_EVERY);
  }
}

async function loadPlatforms() {
  const { platforms: all } = await api.platforms();
  platforms = all.map(({ platform, label }) => ({ name: platform, label }));
  for (const card of cards) for (const platform of platforms) card.addPlatform(platform);
}

async function loadUntilThere() {
  for (;;) {
    try {
      return await loadPlatforms();
    } catch (error) {
      pulse("bad", `${error.message}; trying again`);
      await pause(READ_EVERY);
    }
  }
}

function onNewToken() {
  takeToken();
  for (const card of cards) card.version = null;
  showSession();
  readAll();
}

async function start() {
  takeToken();
  cards = [...document.querySelectorAll("[data-video]")].map((article) => new Card(article));
  showSession();
  await loadUntilThere();
  showSession();
  addEventListener("hashchange", onNewToken);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && readAll());
  $("consistent").addEventListener("change", readAll);
  await readForever();
}

start();
