// The first thing on the page: what holds the bot, what became of a stop, which orders wait, and what to do.
// Written anew only when it says something else, so that a command can be marked and copied, and a button stays.
import { ask } from "./ask.js";
import { ago, amount, base, countdown, local, price, quantity, second } from "./format.js";
import { cell, element, fill } from "./table.js";

const $ = (id) => document.getElementById(id);
const HOUR = 3600;
const NAMES = {
  emergency_stop: "Emergency stop",
  api: "Paused over the API",
  spec: "Configuration",
  approval: "Approval",
  live: "Operator",
  watch: "TradingBot object",
  reconcile: "Not reconciled with the exchange",
  feed: "Price feed",
  database: "Database",
  exchange: "Exchange",
  watchdog: "Trading loop",
  flags: "Feature flag",
  resume: "Resume",
};
const MEANING = {
  CANCELLED: "The exchange has confirmed it.",
  FLAT: "The exchange has confirmed it.",
  FLAT_WITH_DUST: "The exchange has confirmed it.",
  PENDING: "The exchange has not confirmed it yet.",
  RESIDUAL: "Something could not be closed: look at the exchange yourself.",
  UNKNOWN: "The exchange has not said what became of an order: look there yourself.",
};
const CONFIRMED = new Set(["CANCELLED", "FLAT", "FLAT_WITH_DUST", "GONE", "KEPT"]);
const resumes = new Map();
let told = "";
let asked = "";
// Between the server's clock and this machine's, in milliseconds.
let skew = 0;

const line = (className, ...parts) => element("p", className, ...parts);

// A time that counts; `ends` false: that has passed.
function clock(iso, ends, at = Date.parse(iso)) {
  const made = element("span", "clock");
  made.dataset[ends ? "ends" : "began"] = String(at);
  made.title = `${second(iso)} UTC, ${local(iso)}`;
  return made;
}

export function tick() {
  const now = Date.now() + skew;
  for (const one of document.querySelectorAll(".clock")) {
    const { ends, began } = one.dataset;
    const text = ends ? countdown((Number(ends) - now) / 1000) : `${ago((now - Number(began)) / 1000)} ago`;
    if (one.textContent !== text) one.textContent = text;
  }
}

// What is in `backticks` or begins with kubectl is a command.
function advice(text) {
  const at = text.indexOf("kubectl ");
  if (at < 0) return [text];
  const end = text.indexOf(" says ", at);
  const command = end < 0 ? text.slice(at).replace(/\.$/, "") : text.slice(at, end);
  return [text.slice(0, at), element("code", "", command), text.slice(at + command.length)];
}

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}` : "");

function outcome(stop) {
  const found = stop.outcome ?? { state: "PENDING", message: "" };
  const word = element("b", CONFIRMED.has(found.state) ? "good" : "bad", found.state);
  const parts = [line("", word, ` ${MEANING[found.state] ?? ""} ${sentence(found.message)}`)];
  const rows = [
    ...(found.orders ?? []).map((o) => ["order", cell(o.symbol, "symbol"), cell(o.client_id, "id"), o.state, "", o.reason]),
    ...(found.positions ?? []).map((p) => ["position", cell(p.symbol, "symbol"), "", p.state, `${quantity(p.residual)} ${base(p.symbol)}`, p.reason]),
  ];
  if (!rows.length) return parts;
  const table = element("div", "cards");
  const toned = rows.map(([kind, symbol, id, state, left, why]) => [kind, symbol, id, cell(state, "tag", CONFIRMED.has(state) ? "good" : "bad"), left, cell(why, "text")]);
  fill(table, [["What"], ["Symbol", "symbol"], ["Id"], ["Outcome"], ["Left", "num"], ["Why"]], toned, "");
  const more = found.left_out ? line("soft", `${found.left_out} more went well.`) : null;
  return [...parts, table, more];
}

function stopped(stop) {
  const what = stop.close_positions ? "positions are to be closed" : "positions are kept, with their stops";
  const head = line("soft", `Asked for by ${stop.source} at ${second(stop.since)} UTC (`, clock(stop.since, false), `); ${what}; id ${stop.id}`);
  const lost = line("bad", "Not in the database yet: if this process ends now, the stop may be lost. It is written as soon as the database answers.");
  lost.id = "notdurable";
  return [head, stop.durable === false ? lost : null, ...outcome(stop)];
}

function resume(reason) {
  // The same button for the same stop, whatever else is said of it anew: a click never falls between two of them.
  const there = resumes.get(reason.id);
  if (there) return there;
  const button = element("button", "", "Resume");
  resumes.set(reason.id, button);
  button.type = "button";
  button.addEventListener("click", () =>
    ask({
      title: `Resume ${reason.id}`,
      text: "Trading goes on once the bot agrees with the exchange. A limit that is still breached halts it again at once.",
      button: "Resume trading",
      path: "/api/v1/bot/resume",
      body: { stop_id: reason.id, reason: "asked for on the page" },
    }),
  );
  return button;
}

function held(reason, now) {
  const stop = reason.source === "emergency_stop" ? now.stop : null;
  const name = NAMES[reason.source] ?? reason.source.replaceAll("_", " ");
  const box = element("article", "hold", element("h3", "", element("b", "", reason.state), ` ${name}`), line("why", reason.reason));
  box.dataset.state = reason.state;
  if (stop) box.append(...stopped(stop).filter(Boolean));
  if (reason.advice) box.append(line("todo", element("b", "", "What to do: "), ...advice(reason.advice)));
  if (now.can_resume && reason.id) box.append(resume(reason));
  return box;
}

function note(title, state, ...parts) {
  const box = element("article", "hold", element("h3", "", title), line("why", ...parts));
  box.dataset.state = state;
  return box;
}

function waitsForLease(now) {
  if (now.role === "trading") return null;
  if (!now.ready) return note("Does not trade yet", "HALTED", now.problem);
  return note("Standby", "PAUSED", "Another process of this bot trades, and knows what is held. This one takes over by itself when that one ends.");
}

function approvalEnds(now) {
  const found = now.approval;
  if (!found?.valid || !found.expires_at) return null;
  if ((Date.parse(found.expires_at) - Date.now() - skew) / 1000 > HOUR) return null;
  const box = note("The approval ends", "REDUCING", "in ", clock(found.expires_at, true), ", by the bot's own clock. From then on it only closes positions.");
  if (now.how.approve) box.append(line("todo", element("b", "", "To trade on: "), "a second person looks at it and says ", element("code", "", now.how.approve)));
  return box;
}

export function holds(now, state) {
  skew = Date.parse(now.now) - Date.now();
  // `now` and what follows from it change all the time; whether the approval ends soon is what counts of it.
  const ends = approvalEnds(now);
  const mark = JSON.stringify([now.reasons, now.stop, now.role, now.ready, now.problem, now.can_resume, now.approval, Boolean(ends)]);
  if (mark === told) return;
  told = mark;
  const focused = document.activeElement;
  const boxes = [waitsForLease(now), ...now.reasons.map((reason) => held(reason, now)), ends].filter(Boolean);
  $("reasons").hidden = !boxes.length;
  $("reasons").replaceChildren(...boxes);
  if (focused?.isConnected) focused.focus();
  // For who listens: the headlines, and not the clocks that tick.
  $("spoken").textContent = [state, ...boxes.map((box) => `${box.querySelector("h3").textContent}: ${box.querySelector(".why").textContent}`)].join(". ");
  tick();
}

export function approval(now) {
  const badge = $("approval");
  const found = now.mode === "live" ? now.approval : null;
  badge.hidden = !found;
  if (!found) return;
  const left = found.expires_at ? (Date.parse(found.expires_at) - Date.now() - skew) / 1000 : Infinity;
  badge.dataset.level = !found.valid ? "bad" : left < 4 * HOUR ? "warn" : "";
  const mark = `${found.valid} ${found.expires_at}`;
  if (badge.dataset.mark === mark) return;
  badge.dataset.mark = mark;
  if (!found.valid) badge.replaceChildren("not approved");
  else if (!found.expires_at) badge.replaceChildren("approved");
  else badge.replaceChildren("approval ends in ", clock(found.expires_at, true));
}

function answer(order, word, text) {
  const what = `${order.side} ${quantity(order.quantity)} ${base(order.symbol)}, worth ${amount(order.value)}`;
  const button = element("button", word === "confirm" ? "yes" : "", word === "confirm" ? "Confirm" : "Refuse");
  button.type = "button";
  button.setAttribute("aria-label", `${button.textContent} ${what}`);
  const path = `/api/v1/bot/orders/${encodeURIComponent(order.client_id)}/${word}`;
  button.addEventListener("click", () => ask({ title: `${button.textContent}: ${what}`, text, button: button.textContent, path }));
  return button;
}

function fact(name, value) {
  return element("div", "", element("dt", "", name), element("dd", "", value));
}

function waits(order, currency) {
  const until = clock(order.expires_at, true);
  until.dataset.order = order.client_id;
  const box = element(
    "article", "order",
    element("h3", "", element("b", order.side === "buy" ? "good" : "bad", order.side.toUpperCase()), ` ${quantity(order.quantity)} ${base(order.symbol)} for ${amount(order.value)} ${currency}`),
    element("dl", "", fact("Symbol", order.symbol), fact("Stop", price(order.stop_loss)), fact("Target", price(order.take_profit)), fact("Why", order.reason), fact("Is given up in", until)),
    element("div", "actions", answer(order, "confirm", "It is judged once more by the risk gate, then sent."), answer(order, "refuse", "It is given up.")),
  );
  return box;
}

export function waiting(now) {
  const list = now.waiting;
  const mark = JSON.stringify(list);
  if (mark !== asked) {
    asked = mark;
    $("waiting").hidden = !list.length;
    $("nwaiting").textContent = list.length ? String(list.length) : "";
    $("confirmations").replaceChildren(...list.map((order) => waits(order, now.account?.currency ?? "")));
  }
  // They end by the market's clock.
  const market = Date.parse(now.account?.market_time ?? now.now);
  for (const order of list) {
    const until = document.querySelector(`.clock[data-order="${CSS.escape(order.client_id)}"]`);
    if (until) until.dataset.ends = String(Date.parse(now.now) + Date.parse(order.expires_at) - market);
  }
  tick();
}
