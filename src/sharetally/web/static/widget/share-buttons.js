// <share-buttons>: links to share pages, a live count, and a record of every share. Apache-2.0.
// It stands alone: no dependency, no inline style or script; it works as a module and as a classic script,
// and does nothing where there is no page, as on a server that renders one.
if (globalThis.document) {
  const MOST = 200; // contents of one request

  // The API is where this file is from; a page that bundles it says so with the attribute `api`.
  const own = document.currentScript ?? document.querySelector('script[src*="share-buttons"]');
  const source = new URL(own?.src || location.href);
  const home = source.origin + (/(.*)\/widget\//.exec(source.pathname)?.[1] ?? "");

  // Label, colour, icon, share page and the fields of its query: t text, u address, b both, s subject, m mail.
  // Those that most pages name are here, the others are fetched when a page names them.
  const platforms = {
    twitter: ["X", "#3b434d", "M4 4h4l12 16h-4zM19.5 4l-6.7 7.3M11 13.2L4.5 20", "https://x.com/intent/tweet?", "text=t&url=u"],
    whatsapp: ["WhatsApp", "#128043", "M3.7 20.3L5 15.8A8.5 8.5 0 1 1 8.2 19zM9 8.3c-1 3.2 3.5 7.6 6.7 6.7l.6-1.7-2.2-1.2-1 .9c-1-.4-1.9-1.4-2.2-2.2l.9-1-1.2-2.2z", "https://wa.me/?", "text=b"],
    facebook: ["Facebook", "#1666d6", "M16 4h-1.5A3.5 3.5 0 0 0 11 7.5v13M7.5 12H15", "https://www.facebook.com/sharer/sharer.php?", "u=u"],
    linkedin: ["LinkedIn", "#2a5d9e", "M6 10.5V19M6 5.5v.01M11 19v-8.5M11 14.5a3.6 3.6 0 0 1 7.2 0V19", "https://www.linkedin.com/sharing/share-offsite/?", "url=u"],
    native: ["", "#596270", "M12 15V3M8 7l4-4 4 4M7 11H5v10h14V11h-2"],
    copy: ["", "#596270", "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1.2 1.2M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1.2-1.2"],
  };
  const english = {
    share: "Share", on: "Share on {0}", native: "Share with an app", copy: "Copy link", copied: "Link copied",
    mine: "shared by you", one: "{0} share", other: "{0} shares",
  };

  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { display: inline-block; position: relative; font-size: .875rem; color: var(--share-color, inherit) }
    :host([hidden]) { display: none }
    .g { display: flex; flex-wrap: wrap; align-items: center; gap: var(--share-gap, .5em) }
    .b { all: unset; position: relative; display: grid; place-items: center; cursor: pointer;
      width: var(--share-size, 2.5rem); height: var(--share-size, 2.5rem); border-radius: var(--share-radius, 50%);
      background: var(--share-background, color-mix(in srgb, currentColor 10%, transparent)); transition: .15s }
    .b:hover, .m { background: var(--share-accent, var(--c)); --i: var(--share-on-accent, #fff) }
    .b:active { scale: .94 }
    .b:focus-visible { outline: .1875rem solid var(--share-focus, currentColor); outline-offset: .125rem }
    .m::after { content: "✓" / ""; position: absolute; bottom: -.125rem; inset-inline-end: -.125rem;
      font: 700 .6875rem/1rem system-ui; width: 1rem; text-align: center; border-radius: 50%;
      background: var(--share-mark, #0b7a44); color: #fff }
    svg { color: var(--i, inherit); width: 56%; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round }
    .n { margin-inline-start: .375em; font-variant-numeric: tabular-nums; white-space: nowrap }
    .up { display: inline-block; animation: up .4s }
    @keyframes up { 40% { translate: 0 -.2em } }
    .v { position: absolute; width: 1px; height: 1px; overflow: hidden }
    .s { position: absolute; z-index: 1; bottom: 100%; inset-inline-start: 0; margin-bottom: .375rem;
      border-radius: .5em; background: #3b434d; color: #fff; white-space: nowrap; padding: .25em .75em }
    .s:empty { padding: 0 }
    @media (pointer: coarse) { .b { min-width: 2.75rem; min-height: 2.75rem } }
    @media (prefers-reduced-motion) { .b, .up { animation: none; transition: none } }
    @media (forced-colors: active) { .b { border: 1px solid } svg { color: inherit } }`);

  function made(tag, attributes, ...children) {
    const element = /svg|path/.test(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    element.append(...children);
    return element;
  }

  // A page that cuts its text with slice() may have left half an emoji, which has no encoding.
  const encoded = (text) =>
    encodeURIComponent(text.replace(/\p{Cs}/gu, "\ufffd"))
      .replace(/[!'()*]/g, (sign) => "%" + sign.charCodeAt().toString(16).toUpperCase());

  function intent([, , , page, fields], u, t, instance) {
    const lines = t ? t.split(/\r\n|\r|\n/) : [];
    const values = { t, u, b: t ? `${t} ${u}` : u, s: lines[0], m: [...lines, u].join("\r\n") };
    return page && page.replace("{i}", instance) + fields.split("&").map((field) => field.split("="))
      .filter(([, from]) => values[from]).map(([name, from]) => `${name}=${encoded(values[from])}`).join("&");
  }

  // A page may name a language that is none, as `en_US`; a shadow tree has that of the page around it.
  function languageOf(element) {
    try {
      return Intl.getCanonicalLocales((element.closest("[lang]") ?? document.documentElement).lang.replace(/_/g, "-"))[0];
    } catch {
      return navigator.language;
    }
  }

  // words of other languages and platforms that few pages name: fetched once, and not missed
  const fetched = new Map();
  const labels = {};
  function load(url, keep) {
    if (!fetched.has(url)) fetched.set(url, fetch(url).then((said) => said.json()).then(keep).catch(() => {}));
    return fetched.get(url);
  }

  async function ask(url, token, body, method = "POST") {
    const headers = { "content-type": "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    // keepalive: it arrives though the page is left
    const said = await fetch(url, { method, headers, body: body && JSON.stringify(body), keepalive: true, signal: AbortSignal.timeout(1e4) }).catch(() => ({ status: 0 }));
    const found = await said.json?.().catch(() => {});
    if (said.ok) return found;
    throw Object.assign(Error(found?.detail ?? "unavailable"), { status: said.status, code: found?.type?.split("/").pop() ?? "unavailable" });
  }

  // tokens: got when needed, by one question for all who need it, and kept until shortly before they expire
  const held = new WeakMap();
  async function tokenFrom(give, renewed) {
    let one = held.get(give);
    if (!one || renewed || one.until < Date.now()) {
      held.set(give, one = { until: Infinity, token: Promise.resolve(renewed).then(give) });
      one.token.then((token) => { one.until = expiry(token); }, () => held.delete(give));
    }
    return one.token;
  }
  function expiry(token) {
    if (token === 0) return Infinity;
    try {
      return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000 - 3e4;
    } catch {
      return token ? Date.now() + 6e4 : 0;
    }
  }

  const wait = (time) => new Promise((go) => setTimeout(go, time)); // milliseconds
  const contentOf = (key) => {
    const [contentType, contentId] = key.split("/");
    return { contentType, contentId };
  };
  const parts = (keys) => (keys.length ? [keys.slice(0, MOST).map(contentOf), ...parts(keys.slice(MOST))] : []);

  // Everything on a page that talks to one service: one request for all counts, one connection for all changes.
  class Hub {
    widgets = new Map(); // content -> its widgets
    counts = new Map();
    mine = new Map(); // content -> the platforms that this person has shared it on
    fresh = new Set(); // contents nobody has asked for yet
    failures = 0;

    constructor(base) {
      this.base = base;
      this.place = `sharetally ${base}`;
    }

    // Nobody gets a name by looking: visitors are known from their first share on.
    known() {
      try {
        const token = localStorage[this.place];
        return expiry(token) > Date.now() && token;
      } catch { /* without storage a visitor is a new one on each page */ }
    }
    visitor = async (renewed) => {
      const known = !renewed && this.known();
      if (known) return known;
      try {
        const { token } = await ask(`${this.base}/tokens/visitor`, "", {});
        try { localStorage[this.place] = token; } catch { /* as above */ }
        return token;
      } catch (refused) {
        if (refused.status === 404) return 0; // this service records no visitors
        throw refused;
      }
    };

    join(widget, key) {
      if (!this.widgets.has(key)) {
        this.widgets.set(key, new Set());
        this.mine.set(key, new Set());
        this.again(key);
      }
      this.widgets.get(key).add(widget);
    }

    leave(widget, key) {
      const left = this.widgets.get(key);
      left.delete(widget);
      if (left.size) return;
      this.widgets.delete(key);
      this.counts.delete(key);
      this.tell("unsubscribe", [key]);
      if (!this.widgets.size) this.socket?.close();
    }

    again(key, after) {
      this.fresh.add(key);
      this.soon(after);
    }

    // one look for all that come together; while the page is still being read, more will come
    soon(after = 0) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        if (document.readyState === "loading") this.soon(50);
        else if (this.widgets.size) this.look();
      }, after);
    }

    async look() {
      const keys = [...(this.live ? this.fresh : this.widgets.keys())];
      this.fresh.clear();
      if (this.live) this.tell("subscribe", keys);
      else this.connect();
      const token = await this.token();
      for (const contents of parts(keys))
        await ask(`${this.base}/share-links/counts`, token, { contents }).then(({ counts }) => counts.forEach((count) => this.take(count)), () => {});
    }

    take(count) {
      const key = `${count.contentType}/${count.contentId}`;
      if (count.version < this.counts.get(key)?.version) return;
      this.counts.set(key, count);
      this.widgets.get(key)?.forEach((widget) => widget.show());
    }

    // what this person shared; who gets tokens in another way is another person, and begins anew
    of(key, who) {
      let mine = this.mine.get(key);
      if ((mine.who ??= who) !== who) {
        this.mine.set(key, mine = new Set());
        mine.who = who;
        this.know(key);
      }
      return mine;
    }

    know(key) {
      this.widgets.get(key)?.forEach((widget) => widget.mark(widget.tell("count")));
    }

    // where counts need a token, any widget's will do; most need none, so a slow one holds nobody up
    token() {
      for (const all of this.widgets.values())
        for (const { giver } of all) if (giver) return Promise.race([tokenFrom(giver).catch(() => {}), wait(1e3)]);
    }

    at(key, path) {
      return `${this.base}/content/${key.split("/").map(encoded).join("/")}/${path}`;
    }

    get live() { return this.socket?.readyState === 1; }

    connect() {
      if (this.socket?.readyState < 2) return;
      const socket = this.socket = new WebSocket(this.base.replace(/^http/, "ws") + "/live");
      socket.onopen = async () => {
        const token = await this.token();
        if (token) socket.send(JSON.stringify({ token }));
        this.tell("subscribe", [...this.widgets.keys()]);
      };
      socket.onmessage = ({ data }) => {
        this.failures = 0;
        const said = JSON.parse(data);
        if (said.version >= 0) this.take(said);
      };
      // again after 1 s, 2 s, 4 s … a minute, for each a little different, so that not all come back at once
      socket.onclose = () => {
        clearTimeout(this.later);
        this.later = setTimeout(() => this.soon(), Math.min(60, 2 ** this.failures++) * (500 + 500 * Math.random()));
      };
    }

    tell(what, keys) {
      if (this.live) for (const some of parts(keys)) this.socket.send(JSON.stringify({ [what]: some }));
    }
  }

  const hubs = new Map();

  // with the page's token, else as a visitor where the service records those, else not at all
  async function signed(giver, hub, key, platform, what, path, body, method) {
    for (let tries = 0, renewed = false; key; tries++) {
      let who = giver;
      const token = (who && await tokenFrom(who, renewed)) || await tokenFrom(who = hub.visitor, renewed);
      if (!token) return;
      try {
        const said = await ask(hub.at(key, path), token, body, method);
        const mine = hub.mine.get(key);
        if ((mine.who ??= who) === who) mine[what](platform); // or somebody else signed in meanwhile
        hub.know(key);
        if (!hub.live) hub.again(key, 700);
        return said;
      } catch (refused) {
        // an old token is renewed once; what passes is tried again, as recording twice counts once
        renewed = refused.status === 401;
        if (tries > 1 || (renewed ? tries : refused.status % 503)) throw refused;
        if (!renewed) await wait(1e3 * 3 ** tries);
      }
    }
  }

  // what this person shared is asked for when a widget comes into view
  const watcher = new IntersectionObserver((all) => all.forEach((one) => one.isIntersecting && one.target.look()));

  class ShareButtons extends HTMLElement {
    static observedAttributes = ["content-type", "content-id", "url", "text", "platforms", "mode", "api", "instance", "lang"];
    buttons = new Map();

    constructor() {
      super();
      this.group = made("div", { class: "g", part: "group", role: "group" });
      this.number = made("span", { class: "n", part: "count", hidden: "" });
      this.note = made("div", { class: "s", part: "note", role: "status" });
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.append(this.note, this.group);
    }

    // the page's way to a token: set on the element, or for all of them on the class
    get token() { return this.give; }
    set token(give) {
      this.give = give;
      this.renew();
    }
    static get token() { return this.give; }
    static set token(give) {
      this.give = give;
      hubs.forEach((hub) => hub.widgets.forEach((all) => all.forEach((one) => one.renew())));
    }
    renew() {
      if (!this.key) return;
      watcher.observe(this);
      if (!this.count) this.hub.again(this.key);
    }
    get giver() { return this.give ?? ShareButtons.token; }
    get count() { return this.hub?.counts.get(this.key) ?? null; }
    get mine() { return this.hub?.mine.get(this.key); }
    get shared() { return [...this.mine ?? []]; }

    connectedCallback() {
      if (Object.hasOwn(this, "token")) { // set before this file was there
        const { token } = this;
        delete this.token;
        this.token = token;
      }
      this.change();
    }
    disconnectedCallback() {
      this.change();
    }
    attributeChangedCallback() {
      this.change();
    }
    // all that changes together is one change, and what is only moved stays as it is
    change() {
      this.changing ??= Promise.resolve().then(() => {
        this.changing = null;
        this.isConnected ? this.build() : this.settle();
      });
    }

    told(name, usual = "") {
      return this.getAttribute(name) || usual;
    }

    build() {
      const base = this.told("api", home).replace(/\/+$/, "");
      this.language = languageOf(this);
      const language = this.language.slice(0, 2);
      this.names = this.told("platforms", "twitter whatsapp facebook linkedin native copy").toLowerCase().replace(/\bx\b/, "twitter").split(/[\s,]+/);
      const id = this.told("content-id");
      this.settle(base, id && `${this.told("content-type", "video")}/${id}`);
      this.draw();
      if (id && this.told("mode") === "server_post") // without this file, share pages open as they do otherwise
        import(/* webpackIgnore: true */ /* @vite-ignore */ `${base}/widget/1.0.0/post-dialog.js`).then((dialog) => dialog.attach(this, [ask, tokenFrom]), () => {});
      Promise.all([
        "ar de es fr hi it ja nl pl pt zh".includes(language) && load(`${base}/widget/labels/${language}.json`, (words) => { labels[language] = words; }),
        this.names.every((name) => platforms[name]) || load(`${base}/widget/platforms.json`, (more) => {
          Object.assign(platforms, more.platforms);
          Object.assign(english, more.words);
        }),
      ]).then(() => this.draw());
    }

    // as everything stands now, whatever it was asked for
    draw() {
      const words = this.words = { ...english, ...labels[this.language.slice(0, 2)] };
      const page = document.querySelector('link[rel="canonical"]')?.href ?? location.href;
      // made whole by the browser; no property has the name of an attribute, or React and Vue would set that instead
      this.link = made("a", { href: this.told("url", page) }).href;
      const focused = this.shadowRoot.activeElement?.name;
      this.buttons.clear();
      for (const name of this.names) {
        if (platforms[name] && (name !== "native" || navigator.share)) this.buttons.set(name, this.button(name));
      }
      this.group.setAttribute("aria-label", words.share);
      this.group.replaceChildren(...this.buttons.values(), this.number);
      this.buttons.get(focused)?.focus();
      this.mark();
      this.show();
    }

    settle(base, key) {
      const hub = key && (hubs.get(base) ?? hubs.set(base, new Hub(base)).get(base));
      if (this.hub === hub && this.key === key) return;
      if (this.key) this.hub.leave(this, this.key);
      watcher.unobserve(this);
      Object.assign(this, { hub, key });
      if (!key) return;
      hub.join(this, key);
      watcher.observe(this);
    }

    button(name) {
      const platform = platforms[name];
      const href = intent(platform, this.link, this.told("text"), this.told("instance", "mastodon.social"));
      // a link is opened by the browser itself: at once, in every way people know, and no blocker minds
      const button = made(href ? "a" : "button", {},
        made("svg", { viewBox: "0 0 24 24", part: "icon", "aria-hidden": "true" }, made("path", { d: platform[2] })));
      if (href) button.href = href;
      if (/^http/.test(href)) button.target = "_blank";
      button.className = "b";
      button.name = name;
      button.title = this.words[name] ?? this.words.on.replace("{0}", platform[0]);
      button.style.setProperty("--c", platform[1]);
      button.onclick = button.onauxclick = (event) => event.button < 2 && this.act(event, name);
      return button;
    }

    mark() {
      this.buttons.forEach((button, name) => {
        const mine = this.mine?.has(name);
        button.classList.toggle("m", mine);
        button.part = `button ${name}${mine ? " shared" : ""}`;
        button.ariaLabel = mine ? `${button.title}, ${this.words.mine}` : button.title;
      });
    }

    show() {
      const { count, language, number, words } = this;
      number.hidden = !count;
      if (!count) return;
      const told = (style) => (words[new Intl.PluralRules(language, style).select(count.shareCount)] ?? words.other)
        .replace("{0}", new Intl.NumberFormat(language, style).format(count.shareCount));
      const short = told({ notation: "compact" }), long = told();
      const before = number.firstChild?.textContent;
      if (before === short && number.lastChild.textContent === long) return;
      number.part = count.shareCount ? "count" : "count empty";
      number.replaceChildren(made("span", { class: before ? "up" : "", "aria-hidden": "true" }, short), made("span", { class: "v" }, long));
      this.tell("count");
    }

    // The browser opens the share page by itself; what the service is told comes after.
    async act(event, platform) {
      const { giver, hub, key, link: url } = this; // what was clicked, though the page shows something else by the time it is recorded
      let record;
      const recorded = new Promise((done) => { record = done; });
      const detail = { platform, ...contentOf(key ?? ""), url, recorded };
      try {
        if (platform === "native") await navigator.share({ url, text: this.told("text") });
        // plain http has no clipboard: the address is shown, to be copied by hand
        if (platform === "copy") await (navigator.clipboard?.writeText(url) ?? prompt(this.words.copy, url));
        if (!this.tell("share", detail)) {
          event.preventDefault();
          return record(null);
        }
        if (platform === "copy") this.hint(this.words.copied);
        record((await signed(giver, hub, key, platform, "add", "share", { platforms: [platform] }))?.results[0] ?? null);
      } catch (error) {
        record(null);
        // who closes the share sheet has not shared, and made no mistake
        if (error.name !== "AbortError") this.tell("share-error", { ...detail, error });
      }
    }

    tell(kind, detail) {
      return this.dispatchEvent(new CustomEvent(kind, { detail, bubbles: true, composed: true, cancelable: kind === "share" }));
    }

    hint(text) {
      this.note.textContent = text;
      clearTimeout(this.fading);
      if (text) this.fading = setTimeout(() => this.hint(""), 2500);
    }

    async withdraw(platform) {
      await this.changing;
      return signed(this.giver, this.hub, this.key, platform, "delete", `share/${platform}`, undefined, "DELETE");
    }

    async look() {
      watcher.unobserve(this);
      const { giver, hub, key } = this;
      const own = giver && await tokenFrom(giver).catch(() => {});
      if (giver !== this.giver) return;
      const mine = hub.of(key, own ? giver : hub.visitor), token = own || hub.known();
      if (!token || mine.asked) return;
      mine.asked = 1;
      const said = await ask(hub.at(key, "share-status"), token, undefined, "GET").catch(() => { mine.asked = 0; });
      for (const { platform, sharedByMe } of said?.platforms ?? []) if (sharedByMe) mine.add(platform);
      hub.know(key);
    }
  }

  if (!customElements.get("share-buttons")) customElements.define("share-buttons", ShareButtons);
}
