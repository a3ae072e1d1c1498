// The sandbox's page: draws what /sandbox/state tells, keeps it fresh from /sandbox/events. No library, no build.
"use strict";

const state = { shop: "", phones: [], decisions: [], carts: [], selected: null, now: 0, at: 0, unread: {}, networks: {}, browser: null };
const $ = (id) => document.getElementById(id);

// ---- small tools ----

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}
const button = (text, onclick, attributes = {}) => el("button", { type: "button", onclick, ...attributes }, text);

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}),
  });
  const text = await answer.text();
  const said = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(said.problem ?? said.error?.problems?.join("; ") ?? `answer ${answer.status}`);
  return said;
}
/** Does something for a button and shows why when it cannot be done. */
async function attempt(work) {
  try { return await work(); } catch (error) { toast(error.message); return null; }
}
let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 7000);
}
const say = (text) => { $("said").textContent = text; };

const spaced = (number) => number.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, "+1 $1 $2 $3");
const dollars = (cents) => `$${(cents / 100).toFixed(2)}`;
const phoneOf = (number) => state.phones.find((p) => p.number === number);
const selected = () => phoneOf(state.selected);
const cityOf = (phone) => (phone?.place ? phone.place.split(",")[0] : "UTC");

const present = () => new Date(state.now + (performance.now() - state.at));
function setNow(text) { state.now = Date.parse(text); state.at = performance.now(); }
const formats = new Map();
function local(when, zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key).format(when);
}
const clockTime = (when, zone) => local(when, zone, { hour: "2-digit", minute: "2-digit" });
const dayAndTime = (when, zone) => `${local(when, zone, { weekday: "short" })} ${clockTime(when, zone)}`;
const fullTime = (when, zone) => local(when, zone, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const isNight = (when, zone) => { const h = Number(local(when, zone, { hour: "2-digit", hour12: false })); return h >= 21 || h < 9; };

// ---- clock ----

const JUMPS = [
  ["+1 h", { seconds: 3600 }], ["+1 day", { seconds: 86400 }],
  ["09:00 in New York", { zone: "America/New_York", time: "09:00" }],
  ["21:04 in Phoenix", { zone: "America/Phoenix", time: "21:04" }],
];
async function jump(to) {
  const moved = await attempt(() => ask("/sandbox/clock", to));
  if (!moved) return;
  setNow(moved.now);
  drawClock(); drawPhones(); drawPhone();
  say(`It is now ${$("now").textContent}`);
}
function drawClock() {
  const now = present();
  $("now").textContent = `${local(now, "UTC", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" })} UTC`;
  $("now").dateTime = now.toISOString();
  const minutes = Math.round((now - Date.now()) / 60000);
  $("ahead").hidden = minutes < 2;
  $("ahead").textContent = minutes < 120 ? `${minutes} min ahead` : minutes < 2880 ? `${Math.round(minutes / 60)} h ahead` : `${Math.round(minutes / 1440)} days ahead`;
  $("ahead").title = "Ahead of your own clock. It starts at an hour at which texts may be sent, and moves forward only.";
}

// ---- phones ----

const STANDING = { opted_in: ["good", "opted in"], pending: ["wait", "asked to confirm"], opted_out: ["bad", "opted out"], unknown: ["", "never asked"] };
const standingChip = (standing) => el("span", { class: `chip ${STANDING[standing][0]}` }, STANDING[standing][1]);

function drawPhones() {
  const now = present();
  $("phone-list").replaceChildren(...state.phones.map((p) => {
    const night = isNight(now, p.zone);
    const time = el("span", { class: night ? "time night" : "time", title: p.zone }, `${night ? "☾ " : ""}${clockTime(now, p.zone)}`);
    return el("li", {}, el("button", { type: "button", "aria-current": String(p.number === state.selected), onclick: () => choose(p.number), "data-number": p.number },
      el("span", { class: "who" }, p.label), time,
      el("span", { class: "where" }, p.place || spaced(p.number)),
      state.unread[p.number] ? el("span", { class: "unread", "aria-label": `${state.unread[p.number]} unread` }, String(state.unread[p.number])) : el("span"),
      standingChip(p.standing)));
  }));
}
function choose(number) {
  state.selected = number;
  state.unread[number] = 0;
  state.browser = null;
  show("phone");
  drawPhones(); drawPhone(); drawShop();
}

// ---- the phone in the hand ----

const NETWORKS = { works: "network fine", slow: "slow, jumbled", receipts_lost: "receipts lost", hangs_up: "carrier hangs up", off: "phone off", throttled: "throttled", not_in_service: "not in service" };
const ARRIVED = { delivered: true, received: true };
const COMING = { queued: "on its way", sent: "on its way" };

function drawPhone() {
  const phone = selected();
  if (!phone) { $("phone").replaceChildren(el("p", { class: "blank" }, "No phones yet.")); return; }
  const typed = $("phone").querySelector(".compose input");
  const kept = typed && typed.dataset.number === phone.number ? { value: typed.value, focused: document.activeElement === typed } : null;
  $("phone").replaceChildren(handset(phone), around(phone));
  const input = $("phone").querySelector(".compose input");
  if (kept && input) { input.value = kept.value; if (kept.focused) input.focus(); }
  const thread = $("phone").querySelector(".thread");
  if (thread) thread.scrollTop = thread.scrollHeight;
}
function handset(phone) {
  const now = present();
  if (state.browser && state.browserNode) return state.browserNode;
  const last = [...phone.thread].reverse().find((t) => t.direction === "outbound");
  return el("div", { class: "handset" },
    el("div", { class: "screen-top" }, el("span", { class: "local" }, clockTime(now, phone.zone)), el("span", {}, local(now, phone.zone, { weekday: "short", day: "numeric", month: "short" }))),
    el("div", { class: "contact" }, el("b", {}, last ? spaced(last.from) : state.shop), last ? "texts from the shop" : "no texts yet"),
    el("div", { class: "thread", role: "log", "aria-label": `Texts on the phone of ${phone.label}`, tabindex: "0" },
      ...(phone.thread.length ? phone.thread.map((t) => bubble(phone, t)) : [el("p", { class: "empty" }, "Texts arrive here. Leave a cart behind in the shop and ask for a reminder.")])),
    el("div", { class: "quick", role: "group", "aria-label": "Quick replies" }, ...["STOP", "HELP", "START", "YES"].map((word) => button(word, () => type(phone, word)))),
    compose(phone));
}
function compose(phone) {
  const input = el("input", { "aria-label": `Reply from the phone of ${phone.label}`, placeholder: "Text message", maxlength: "1600", autocomplete: "off", "data-number": phone.number });
  return el("form", { class: "compose", onsubmit: (event) => {
    event.preventDefault();
    if (input.value.trim()) { type(phone, input.value); input.value = ""; }
  } }, input, el("button", { class: "primary" }, "Send"));
}
function around(phone) {
  const choice = el("select", { "aria-label": "Network of this phone", onchange: () => attempt(async () => {
    await ask(`/sandbox/phones/${encodeURIComponent(phone.number)}/network`, { network: choice.value });
    state.networks[phone.number] = choice.value;
  }) }, ...Object.entries(NETWORKS).map(([value, text]) => el("option", { value, selected: (state.networks[phone.number] ?? "works") === value }, text)));
  return el("div", { class: "around" }, choice,
    el("span", { class: "push" }, ...["09:00", "21:04"].map((time) => button(`${time === "09:00" ? "☀" : "☾"} ${time} here`, () => jump({ zone: phone.zone, time }), { title: `Move the clock on to ${time} where this phone is` }))));
}
async function type(phone, text) {
  await attempt(() => ask(`/sandbox/phones/${encodeURIComponent(phone.number)}/texts`, { text }));
}
function bubble(phone, text) {
  const mine = text.direction === "inbound";
  const failed = !mine && !ARRIVED[text.status] && !COMING[text.status];
  const fate = mine ? "" : COMING[text.status] ?? (failed ? `did not arrive: ${text.status}${text.error ? ` (${text.error.replaceAll("_", " ")})` : ""}` : `delivered${text.parts > 1 ? `, ${text.parts} parts` : ""}`);
  const classes = [mine ? "from-person" : "from-brand", COMING[text.status] && "on-its-way", failed && "failed"].filter(Boolean).join(" ");
  return el("div", { class: classes, "data-id": text.id }, el("div", { class: "bubble" }, ...linked(phone, text.text)),
    el("div", { class: "meta" }, [dayAndTime(new Date(text.created_at), phone.zone), fate].filter(Boolean).join(" · ")));
}
/** Splits a text so that its links can be tapped. */
function linked(phone, text) {
  return text.split(/(https?:\/\/[^\s]+[^\s.,;:!?)])/).map((part, i) => (i % 2 ? button(part, () => browse(phone, part), { class: "link", title: "Open in the phone's browser" }) : part));
}
function browse(phone, url) {
  state.browser = url;
  const frame = el("iframe", { src: url, title: "The phone's browser", referrerpolicy: "no-referrer", sandbox: "allow-forms allow-same-origin" });
  const back = button("‹ Texts", () => { state.browser = null; state.browserNode = null; drawPhone(); });
  state.browserNode = el("div", { class: "handset" }, el("div", { class: "browser" },
    el("div", { class: "bar" }, back, el("span", {}, url), el("a", { href: url, target: "_blank", rel: "noreferrer" }, "new tab ↗")), frame));
  drawPhone();
  back.focus();
}

// ---- shop ----

const GOODS = [["Trail shoes", 8900], ["Rain jacket", 12900], ["Wool blanket", 6400], ["Camp kettle", 3800], ["Day pack", 7450]];
let nextGood = 0;

function drawShop() {
  $("shop-title").textContent = state.shop ? `Shop: ${state.shop}` : "Shop";
  const phone = selected();
  if (!phone) { $("shop-body").replaceChildren(); return; }
  const path = `/sandbox/phones/${encodeURIComponent(phone.number)}/opt-in`;
  const [item, cents] = GOODS[nextGood % GOODS.length];
  const leave = () => attempt(async () => { nextGood += 1; upsert(state.carts, await ask("/sandbox/carts", { phone: phone.number, item, cents })); drawShop(); });
  const kept = [...$("shop-body").querySelectorAll("input[data-cart]")].filter((i) => i.value).map((i) => [i.dataset.cart, i.value]);
  const mine = state.carts.filter((c) => c.phone === phone.number).slice(0, 6);
  $("shop-body").replaceChildren(
    el("div", { class: "shop-row" }, el("span", { class: "grow" }, el("b", {}, phone.label), " ", standingChip(phone.standing)),
      phone.standing !== "opted_in" && button("Tick the consent box", () => attempt(() => ask(path))),
      button(`Leave a cart: ${item}`, leave, mine.length ? {} : { class: "primary" })),
    mine.length ? el("div", { class: "carts" }, ...mine.map((c) => cartRow(phone, c))) : el("p", { class: "soft" }, "No cart left behind yet."));
  for (const [cart, value] of kept) { const input = $("shop-body").querySelector(`input[data-cart="${CSS.escape(cart)}"]`); if (input) input.value = value; }
}
function cartRow(phone, cart) {
  const path = `/sandbox/carts/${encodeURIComponent(cart.id)}`;
  const act = (verb, body) => attempt(async () => { upsert(state.carts, await ask(`${path}/${verb}`, body)); drawShop(); });
  const open = cart.state === "ACTIVE";
  const code = el("input", { "aria-label": "Coupon code", placeholder: "coupon", maxlength: "64", autocomplete: "off", "data-cart": cart.id });
  return el("div", { class: "cart" },
    el("div", { class: "line" }, el("b", {}, cart.item), dollars(cart.cents), el("span", { class: `chip ${open ? "" : "good"}` }, open ? "left behind" : cart.state.toLowerCase()),
      cart.clicks > 0 && el("span", { class: "chip good" }, cart.clicks === 1 ? "link opened" : `link opened ${cart.clicks} times`),
      cart.redeemed && el("span", { class: "chip good" }, `coupon ${cart.redeemed}`),
      el("span", { class: "soft" }, dayAndTime(new Date(cart.abandoned_at), phone.zone))),
    open && el("div", { class: "shop-row" },
      button("Send a reminder", () => attempt(async () => {
        arrive(await ask(`${path}/remind`));
        // One panel at a time: the answer stands on another.
        if (matchMedia("(max-width: 899px)").matches) show("decisions");
      }), { class: "primary" }),
      !cart.redeemed && el("form", { onsubmit: (e) => { e.preventDefault(); if (code.value.trim()) act("redeem", { code: code.value }); } }, code, el("button", {}, "Redeem")),
      button("Mark purchased", () => act("purchase"))));
}
function upsert(list, item, key = "id") {
  const at = list.findIndex((old) => old[key] === item[key]);
  if (at >= 0) list[at] = item; else list.unshift(item);
}

// ---- decisions ----

const OUTCOME = { ADMIT: ["good", "✓ ADMIT"], HOLD: ["wait", "◷ HOLD"], REFUSE: ["bad", "✕ REFUSE"] };
const WEIGHT = { REFUSE: "refuse", HOLD: "hold", NOTE: "note" };

function arrive(decision) {
  const known = state.decisions.some((d) => d.id === decision.id);
  upsert(state.decisions, decision);
  state.decisions.length = Math.min(state.decisions.length, 60);
  drawDecisions(known ? null : decision.id);
  if (!known) say(`${decision.title}: ${decision.verdict.outcome}. ${decision.verdict.reasons.map((r) => r.detail).join(" ")}`);
}
function drawDecisions(fresh) {
  const shut = new Set([...document.querySelectorAll(".decision:not([open])")].map((d) => d.dataset.id));
  const opened = new Set([...document.querySelectorAll(".decision[open]")].map((d) => d.dataset.id));
  $("decision-list").replaceChildren(...state.decisions.map((d, i) => decisionCard(d, (i < 2 && !shut.has(d.id)) || opened.has(d.id), d.id === fresh)), story());
}
const STORY = [
  "In the shop, press “Leave a cart”, then “Send a reminder”. The text arrives on Dana's phone.",
  "Tap the text's link, type its coupon, press Apply, then “Place order”. The shop sees the link opened.",
  "Back to the texts: reply STOP. Leave another cart and send again: it is refused.",
  "Choose Noor, press “21:04 in Phoenix”, leave a cart and send: it waits for the morning.",
];
function story() {
  return el("div", { class: "blank" }, state.decisions.length ? "The story to try:" : "Every decision appears here, with all its reasons. A story to try:",
    el("ol", {}, ...STORY.map((t) => el("li", {}, t))));
}
function decisionCard(decision, open, fresh) {
  const v = decision.verdict, phone = phoneOf(decision.phone), zone = phone?.zone ?? "UTC";
  const [tone, outcome] = OUTCOME[v.outcome];
  const here = (when) => `${fullTime(new Date(when), zone)} in ${cityOf(phone)}`;
  const until = v.outcome === "HOLD" && v.hold_until ? `Held until ${here(v.hold_until)}` : v.outcome === "ADMIT" && v.send_not_after && decision.stage === "acceptance" ? `May leave until ${here(v.send_not_after)}` : null;
  return el("details", { class: fresh ? "decision new" : "decision", open, "data-id": decision.id },
    el("summary", {}, el("span", { class: `chip ${tone}` }, outcome), el("span", { class: "title" }, decision.title),
      el("span", { class: "soft" }, `${phone?.label ?? spaced(decision.phone)} · ${decision.stage === "dispatch" ? "before leaving" : "when asked"}`),
      el("span", { class: "when" }, dayAndTime(new Date(v.evaluated_at), zone)), until && el("span", { class: "until" }, until)),
    el("div", { class: "inside" }, ...v.reasons.map((r) => reasonRow(r, here)), !v.reasons.length && el("p", { class: "soft" }, "No rule speaks against it."),
      decision.body && el("blockquote", {}, decision.body)));
}
/** The gateway tells instants in UTC; people read the hour where the phone is. */
const inWords = (text, here) => text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, here);
function reasonRow(reason, here) {
  return el("div", { class: `reason ${WEIGHT[reason.effect] ?? "note"}` }, el("div", {}, el("code", {}, reason.code), " ", inWords(reason.detail, here)),
    el("div", { class: "cite" }, [reason.citation, reason.rule].filter(Boolean).join(" · "), reason.hold_until ? ` · until ${here(reason.hold_until)}` : ""));
}

// ---- panels, feed, start ----

function show(tab) {
  document.body.dataset.tab = tab;
  for (const b of document.querySelectorAll(".tabs button")) b.setAttribute("aria-current", String(b.dataset.tab === tab));
}
function arrived(number, text) {
  const phone = phoneOf(number);
  if (!phone) { load(); return; }
  const at = phone.thread.findIndex((t) => t.id === text.id);
  const before = at >= 0 ? phone.thread[at].status : null;
  if (at >= 0) phone.thread[at] = text; else phone.thread.push(text);
  if (phone.thread.length > 60) phone.thread.shift();
  if (text.status === "delivered" && before !== "delivered") {
    if (number !== state.selected) state.unread[number] = (state.unread[number] ?? 0) + 1;
    say(`Text on the phone of ${phone.label}: ${text.text}`);
    drawPhones();
  }
  if (number === state.selected && !state.browser) drawPhone();
}
async function load() {
  const answer = await fetch("/sandbox/state");
  if (!answer.ok) throw new Error(`the sandbox answers ${answer.status}`);
  const told = await answer.json();
  setNow(told.now);
  Object.assign(state, { shop: told.shop, phones: told.phones, decisions: told.decisions, carts: told.carts });
  if (!selected()) state.selected = (state.phones.find((p) => p.standing === "opted_in") ?? state.phones[0])?.number ?? null;
  drawClock(); drawPhones(); drawPhone(); drawShop(); drawDecisions();
}
function listen() {
  const feed = new EventSource("/sandbox/events");
  const on = (name, handle) => feed.addEventListener(name, (e) => handle(JSON.parse(e.data)));
  feed.onopen = () => attempt(load);
  on("text", ({ phone, text }) => arrived(phone, text));
  on("decision", arrive);
  on("cart", (cart) => { upsert(state.carts, cart); drawShop(); });
  on("standing", ({ phone, standing }) => { const p = phoneOf(phone); if (p) { p.standing = standing; drawPhones(); drawShop(); } });
  on("clock", ({ now }) => { setNow(now); drawClock(); });
  on("lost", () => attempt(load));
}
function tick() {
  drawClock();
  const now = present(), phone = selected();
  if (now.getSeconds() === 0) drawPhones();
  const shown = $("phone").querySelector(".screen-top .local");
  if (shown && phone) shown.textContent = clockTime(now, phone.zone);
}
for (const b of document.querySelectorAll(".tabs button")) b.addEventListener("click", () => show(b.dataset.tab));
$("jumps").append(...JUMPS.map(([text, to]) => button(text, () => jump(to))));
show("phone");
setInterval(tick, 1000);
listen();
