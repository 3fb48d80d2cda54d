// The live view: lists by the API, then the socket keeps them current; after a lost connection it goes on from the cursor.
import { language, reason, setLanguage, speak, t } from "/static/words.js";

const $ = (id) => document.getElementById(id);
const state = { me: null, cursor: 0, view: "all", conversations: new Map(), queues: [], agents: new Map(), channels: new Map(), open: null, card: null, history: new Map(), trouble: new Map(), names: new Map(), stream: [] };
let socket = null, backoff = 500, key = null, beat = null, refresh = null;

function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name === "class") e.className = value;
    else if (value !== undefined && value !== false) e.setAttribute(name, value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return e;
}

async function api(method, path, body, headers = {}) {
  const response = await fetch("/api/v1" + path, {
    method, headers: { ...(body ? { "Content-Type": "application/json" } : {}), ...headers }, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20000),
  });
  const found = response.headers.get("Content-Type")?.includes("json") ? await response.json() : {};
  if (response.status === 401 && path !== "/session") showDoor();
  if (!response.ok) throw Object.assign(new Error(found.detail || response.statusText), { status: response.status });
  return found;
}
const clock = (at, options = { hour: "2-digit", minute: "2-digit" }) => new Intl.DateTimeFormat(language, options).format(new Date(at));
const day = (at) => clock(at, { day: "numeric", month: "long" });
const when = (at) => (Date.now() - new Date(at) < 72e6 ? clock(at) : clock(at, { day: "2-digit", month: "2-digit" }));
const agentName = (id) => state.agents.get(id)?.name || "";
const channelName = (id) => state.channels.get(id)?.name || "";

// ---------------------------------------------------------------- signing in and out

async function showDoor() {
  stop();
  $("app").hidden = true;
  $("door").hidden = false;
  const { items = [] } = await fetch("/demo-logins").then((r) => r.json()).catch(() => ({}));
  $("demo").hidden = !items.length;
  $("demo-buttons").replaceChildren(...items.map((one) => h("button", { type: "button", onclick: () => signIn(one.login, one.password) }, t(one.role))));
  $("login").elements.login.focus();
}
async function signIn(login, password) {
  $("login-error").textContent = "";
  try {
    await api("POST", "/session", { login, password });
    $("login").reset();
    await start();
  } catch (error) { $("login-error").textContent = error.message; }
}
function stop() {
  clearInterval(beat);
  if (socket) { socket.onclose = null; socket.close(); socket = null; }
}

// ---------------------------------------------------------------- loading

async function start() {
  const session = await api("GET", "/session").catch(() => null);
  if (!session) return showDoor();
  stop();
  state.me = session.agent;
  state.cursor = session.last_event_id;
  state.open = state.card = null;
  state.history.clear();
  $("door").hidden = true;
  $("app").hidden = false;
  $("app").dataset.pane = "stream";
  await load();
  connect();
  if (state.me?.role === "agent") {
    const here = () => api("PUT", "/presence", { state: "online" }).catch(() => {});
    here();
    beat = setInterval(here, 30000);
  }
}
async function load() {
  const [agents, channels, queues, conversations, stream] = await Promise.all([
    api("GET", "/agents?limit=200"), api("GET", "/channels?limit=200"), api("GET", "/queues?limit=200"),
    api("GET", "/conversations?status=open,pending,snoozed&sort=last&order=desc&limit=200"), api("GET", "/interactions?order=desc&limit=40"),
  ]);
  state.agents = new Map(agents.items.map((a) => [a.id, a]));
  state.channels = new Map(channels.items.map((c) => [c.id, c]));
  state.queues = queues.items;
  state.conversations = new Map(conversations.items.map((c) => [c.id, c]));
  // Names of those in the stream whose conversations are over.
  const strangers = new Set(stream.items.filter((i) => !state.conversations.has(i.conversation_id)).map((i) => i.contact_id));
  await Promise.all([...strangers].map((id) => api("GET", `/contacts/${id}`).then((card) => state.names.set(id, card.name)).catch(() => {})));
  state.stream = stream.items.map((item) => ({ item, name: titleOf(item) }));
  if (state.open) await openConversation(state.open, false);
  draw();
}
const titleOf = (item) => (item.direction === "out" && item.sender?.name ? `${item.sender.name} → ${nameOf(item)}` : nameOf(item));
const nameOf = (item) => state.conversations.get(item.conversation_id)?.contact_name || state.names.get(item.contact_id) || item.sender?.name || item.sender?.value || "";

// ---------------------------------------------------------------- the socket

function connect() {
  const mine = socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live?after=${state.cursor}`);
  mine.onopen = () => { backoff = 500; link(true); };
  mine.onmessage = (message) => receive(JSON.parse(message.data));
  mine.onclose = () => {
    link(false);
    setTimeout(async () => {
      if (mine !== socket) return;
      const alive = await api("GET", "/session").catch((error) => (error.status === 401 ? "out" : null));
      if (alive === "out") showDoor(); else connect();
    }, backoff * (0.5 + Math.random()));
    backoff = Math.min(backoff * 2, 10000);
  };
}
function link(up) {
  $("link").textContent = t(up ? "online" : "offline");
  $("link").classList.toggle("down", !up);
  $("banner").hidden = up;
  $("banner").textContent = t("lost");
}
async function receive({ id, type, data }) {
  if (type === "reset") {
    const session = await api("GET", "/session");
    state.cursor = session.last_event_id;
    return load();
  }
  state.cursor = id;
  if (type === "interaction.created") created(data.interaction, data.conversation);
  else if (type === "interaction.state") changedState(data);
  else if (type.startsWith("conversation.")) moved(type, data);
  else if (type === "call.updated") rang(data);
  else if (type === "agent.presence" && state.agents.has(data.agent_id)) state.agents.get(data.agent_id).presence = data.state;
  soon();
}
function created(item, conversation) {
  if (conversation) { keep(conversation); state.names.set(conversation.contact_id, conversation.contact_name); }
  else patch(item.conversation_id, item.kind === "note" ? {} : { last_text: item.text, last_at: item.at, unread: 0 });
  if (!state.stream.some((row) => row.item?.id === item.id)) {
    state.stream.unshift({ item, name: titleOf(item), why: conversation?.assignment_reason, fresh: true });
    state.stream.length = Math.min(state.stream.length, 150);
  }
  if (state.card?.id === item.contact_id || state.open === item.conversation_id) { state.history.set(item.id, item); drawHistory(); }
}
function changedState(data) {
  for (const item of [state.history.get(data.interaction_id), state.stream.find((row) => row.item?.id === data.interaction_id)?.item])
    if (item) Object.assign(item, { state: data.state, error: data.error });
  if (["failed", "in_doubt"].includes(data.state)) state.trouble.set(data.interaction_id, data.outbound_id);
  if (state.history.has(data.interaction_id)) drawHistory();
}
function moved(type, data) {
  if (data.conversation) return keep(data.conversation);
  const known = state.conversations.get(data.conversation_id);
  if (type === "conversation.assigned" || type === "conversation.queued") {
    if (known) patch(known.id, { assignee_id: data.assignee_id, queue_id: data.queue_id, assignment_reason: data.reason, version: data.version });
    state.stream.unshift({ at: new Date().toISOString(), id: data.conversation_id, name: known?.contact_name || "", why: data.reason, fresh: true });
  }
  if (!known || type === "conversation.left")
    api("GET", `/conversations/${data.conversation_id}`).then(keep).catch((error) => { if (error.status === 404) state.conversations.delete(data.conversation_id); }).finally(soon);
}
function rang(data) {
  const item = state.history.get(data.interaction_id) || state.stream.find((row) => row.item?.id === data.interaction_id)?.item;
  if (item) item.call = data.call;
  if (data.assignment_reason) patch(data.conversation_id, { assignee_id: data.assignee_id, queue_id: data.queue_id, assignment_reason: data.assignment_reason, status: data.call.outcome === "missed" ? "open" : "resolved" });
  if (state.history.has(data.interaction_id)) drawHistory();
}
function keep(conversation) {
  const known = state.conversations.get(conversation.id);
  if (known && known.version > conversation.version) return;
  const next = known ? { ...known, assignee_id: undefined, queue_id: undefined, ...conversation } : conversation;
  if (next.status === "resolved" && next.id !== state.open) state.conversations.delete(next.id); else state.conversations.set(next.id, next);
}
function patch(id, changes) {
  const known = state.conversations.get(id);
  if (known) Object.assign(known, changes);
}
// Many frames, one drawing; the queues' counts are the hub's own.
function soon() {
  if (refresh) return;
  refresh = setTimeout(async () => {
    refresh = null;
    draw();
    const queues = await api("GET", "/queues?limit=200").catch(() => null);
    if (queues) { state.queues = queues.items; drawLists(); }
  }, 120);
}

// ---------------------------------------------------------------- drawing

function draw() {
  speak();
  link(socket?.readyState !== WebSocket.CLOSED);
  $("me").textContent = state.me ? `${state.me.name} · ${t(state.me.role)}` : "";
  drawLists();
  drawStream();
  drawCard();
  for (const b of $("tabs").children) b.setAttribute("aria-pressed", b.dataset.pane === $("app").dataset.pane);
}
const VIEWS = { waiting: (c) => !c.assignee_id, mine: (c) => c.assignee_id && c.assignee_id === state.me?.id, all: () => true };
function drawLists() {
  const all = [...state.conversations.values()].filter((c) => c.status !== "resolved").sort((a, b) => (a.last_at < b.last_at ? 1 : -1));
  const pick = (name) => { state.view = name; drawLists(); };
  const focused = document.activeElement?.dataset?.key;
  $("views").replaceChildren(...Object.keys(VIEWS).map((name) => h("button", { "aria-pressed": state.view === name, "data-key": name, onclick: () => pick(name) }, h("b", {}, String(all.filter(VIEWS[name]).length)), t(name))));
  $("queues").replaceChildren(...state.queues.map((q) => h("li", {}, h("span", { class: "cut" }, q.name), h("span", { class: q.waiting ? "late" : "soft" }, q.waiting ? `${q.waiting} · ${when(q.longest_since)}` : t("none")))));
  $("list-title").textContent = `${t("conversations")}: ${t(state.view)}`;
  const shown = all.filter(VIEWS[state.view]);
  $("conversations").replaceChildren(...(shown.length ? shown.map(drawRow) : [h("li", { class: "empty" }, t("nothing"))]));
  if (focused) document.querySelector(`[data-key="${focused}"]`)?.focus();
}
function drawRow(c) {
  return h("li", {}, h("button", { "aria-current": c.id === state.open, "data-key": c.id, onclick: () => openConversation(c.id) },
    h("span", { class: "name" }, c.contact_name || "—"), h("time", { class: "soft" }, when(c.last_at)),
    h("span", { class: "cut" }, c.last_text || t(c.kind)), c.unread ? h("span", { class: "badge" }, String(c.unread)) : h("span"),
    h("span", { class: "cut soft wide" }, channelName(c.channel_id), " · ", c.assignee_id ? agentName(c.assignee_id) : h("span", { class: "waits" }, t("wait")))));
}
function drawStream() {
  const box = $("stream"), atTop = box.scrollTop < 8, before = box.scrollHeight;
  box.replaceChildren(...state.stream.map((row) => {
    const item = row.item, id = item?.conversation_id || row.id, fresh = row.fresh;
    row.fresh = false;
    const props = { class: `${item?.direction || "fact"} ${fresh ? "new" : ""}`, "data-id": id, onclick: () => openConversation(id) };
    if (!item) return h("li", props, h("time", {}, when(row.at)), h("span", { class: "way" }, "⇒"), h("span", { class: "what fact" }, row.name ? `${row.name}: ` : "", reason(row.why)));
    return h("li", props, h("time", {}, when(item.at)), h("span", { class: "way" }, item.kind === "note" ? "✎" : item.direction === "in" ? "←" : "→"),
      h("div", { class: "what" }, h("b", {}, row.name || "—"), h("span", { class: "soft" }, ` · ${channelName(item.channel_id)} `, stateOf(item)), h("div", {}, textOf(item)), row.why ? h("div", { class: "fact" }, reason(row.why)) : ""));
  }));
  if (!atTop) box.scrollTop += box.scrollHeight - before;
}
function textOf(item) {
  if (item.deleted_at) return t("deleted");
  const call = item.call, files = (item.attachments || []).map((f) => `[${f.name || t("file")}]`).join(" ");
  if (item.kind !== "call") return [item.text || item.subject, files].filter(Boolean).join(" ");
  const length = call?.talk_s ? ` ${Math.floor(call.talk_s / 60)}:${String(call.talk_s % 60).padStart(2, "0")}` : "";
  return `☎ ${t(item.direction === "out" ? "callOut" : "call")}: ${t(call?.outcome || call?.state || "ringing")}${length}`;
}
const stateOf = (item) => (item.state && item.direction === "out" ? h("span", { class: item.state }, t(item.state)) : "");

function drawCard() {
  const c = state.conversations.get(state.open), card = state.card;
  if (!card) return $("card").replaceChildren(h("p", { class: "soft" }, t("choose")));
  const facts = [[t("owner"), agentName(card.owner_id)], ...card.identities.map((i) => [t(i.kind), i.value]), [t("birthday"), card.birthday && day(card.birthday)],
    [t("source"), card.source && (card.source.utm_source || card.source.referrer || card.source.channel)], ...Object.entries(card.custom || {}).map(([k, v]) => [k, String(v)]), [t("why"), c && reason(c.assignment_reason)]];
  const act = (method, path, body) => api(method, path, body).then(keep).catch((error) => { $("reply-error").textContent = error.message; }).finally(soon);
  $("card").replaceChildren(h("h3", {}, card.name || "—"), h("div", {}, ...(card.tags || []).map((tag) => h("span", { class: `tag ${tag === "VIP" ? "vip" : ""}` }, tag)), card.kind === "company" ? h("span", { class: "tag" }, t("company")) : ""),
    h("dl", {}, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    c && c.status !== "resolved" ? h("div", { class: "do" }, state.me && c.assignee_id !== state.me.id ? h("button", { onclick: () => act("POST", `/conversations/${c.id}/assign`, { agent_id: state.me.id }) }, t("take")) : "", h("button", { onclick: () => act("PATCH", `/conversations/${c.id}`, { status: "resolved", unread: 0 }) }, t("resolve"))) : "");
  const can = c && !["call", "form"].includes(c.kind);
  $("reply").hidden = !can;
  $("via").textContent = c ? `${t("via")} ${channelName(c.channel_id)}` : "";
}
function drawHistory() {
  const box = $("history"), low = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  let last = "";
  const items = [...state.history.values()].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  box.replaceChildren(...items.flatMap((item) => {
    const today = day(item.at), head = today === last ? [] : [h("li", { class: "day" }, (last = today))];
    const out = item.direction === "out", doubt = state.trouble.get(item.id), decide = (path, body) => () => api("POST", `/outbound/${doubt}/${path}`, body).catch(() => {});
    const who = item.kind === "note" ? `${t("note")} · ${item.sender?.name || ""}` : out ? item.sender?.name || "" : "";
    return [...head, h("li", { class: `bubble ${item.kind === "note" ? "note" : out ? "out" : "in"}` }, item.subject ? h("span", { class: "subject" }, item.subject) : "", textOf(item),
      h("span", { class: "meta" }, [who, item.channel_id !== state.conversations.get(state.open)?.channel_id && channelName(item.channel_id), clock(item.at)].filter(Boolean).join(" · "), " ", stateOf(item), item.error?.text ? `: ${item.error.text}` : ""),
      doubt && item.state === "failed" ? h("div", { class: "do" }, h("button", { onclick: decide("retry") }, t("retry"))) : "",
      doubt && item.state === "in_doubt" ? h("div", { class: "do" }, h("button", { onclick: decide("settle", { state: "sent" }) }, t("settled")), h("button", { onclick: decide("settle", { state: "again" }) }, t("retry"))) : "")];
  }));
  if (low) box.scrollTop = box.scrollHeight;
}

// ---------------------------------------------------------------- one conversation

async function openConversation(id, show = true) {
  if (id !== state.open) { $("text").value = ""; key = null; }
  state.open = id;
  $("reply-error").textContent = "";
  try {
    const c = await api("GET", `/conversations/${id}`);
    const [card, history, trouble] = await Promise.all([api("GET", `/contacts/${c.contact_id}`), api("GET", `/interactions?contact=${c.contact_id}&order=desc&limit=80`), api("GET", `/outbound?conversation=${id}&state=failed,in_doubt`)]);
    if (state.open !== id) return;
    state.conversations.set(id, c);
    state.card = card;
    state.history = new Map(history.items.map((item) => [item.id, item]));
    state.trouble = new Map(trouble.items.map((o) => [o.interaction_id, o.id]));
    if (show) $("app").dataset.pane = "talk";
    draw();
    drawHistory();
    $("history").scrollTop = $("history").scrollHeight;
  } catch (error) { $("reply-error").textContent = error.message; }
}
async function reply(event) {
  event.preventDefault();
  const text = $("text").value.trim(), button = $("reply").querySelector("button"), id = state.open;
  if (!text || button.disabled) return;
  // One key for one text: pressed again after a lost answer, the hub recognises it and sends nothing twice.
  if (key?.text !== text) key = { text, value: [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("") };
  button.disabled = true;
  $("reply-error").textContent = "";
  try {
    await api("POST", `/conversations/${id}/messages`, { kind: "message", text }, { "Idempotency-Key": key.value });
    key = null;
    if (state.open === id) $("text").value = "";
  } catch (error) { $("reply-error").textContent = error.status ? error.message : t("unsent"); }
  button.disabled = false;
  $("text").focus();
}

$("login").addEventListener("submit", (event) => { event.preventDefault(); signIn(event.target.elements.login.value, event.target.elements.password.value); });
$("signout").addEventListener("click", () => api("DELETE", "/session").catch(() => {}).then(showDoor));
$("reply").addEventListener("submit", reply);
$("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) reply(event); });
for (const b of $("tabs").children) b.addEventListener("click", () => { $("app").dataset.pane = b.dataset.pane; draw(); });
for (const b of document.querySelectorAll(".language")) b.addEventListener("click", () => { setLanguage(language === "ru" ? "en" : "ru"); speak(); if (!$("app").hidden) { draw(); drawHistory(); } else showDoor(); });
speak();
start();
