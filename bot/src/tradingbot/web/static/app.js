// One page: the stream brings the account, the database's history is asked for when something happened.
import { ask } from "./ask.js";
import * as chart from "./chart.js";
import { ago, amount, moment, percent, quantity, short, signed, tone } from "./format.js";
import { cell, fill } from "./table.js";

const $ = (id) => document.getElementById(id);
const REFRESH = 4000;
let asked = 0;
let seen = "";
let needs = "";
let asking = "";
let paused = false;

function put(id, text, className) {
  const target = $(id);
  if (target.textContent !== text) target.textContent = text;
  if (className !== undefined) target.className = className;
}

function show(now) {
  document.title = `${now.state} · ${now.bot}`;
  put("bot", now.bot);
  document.body.classList.toggle("single", now.strategy.symbols.length === 1);
  put("what", `${now.strategy.name} · ${now.strategy.symbols.join(", ")} · ${now.strategy.timeframe}`);
  put("state", now.state);
  $("state").dataset.state = now.state;
  put("role", now.role);
  put("mode", now.speed === "1" ? now.mode : `${now.mode} ×${now.speed}`);
  reasons(now);
  const problem = now.problem ? ` · not ready: ${now.problem}` : " · ready";
  put("health", `v${now.version} · up ${ago(now.uptime)} · database ${now.database_connected ? "connected" : "lost"}${problem}`);
  if (now.account) account(now.account, now);
  positions(now.open_positions);
  orders(now.orders);
  waiting(now.waiting);
  dependencies(now.dependencies);
  paused = now.reasons.some((item) => item.source === "api");
  put("pause", paused ? "Start" : "Pause");
}

function dependencies(list) {
  const mark = JSON.stringify(list);
  if (mark === needs) return;
  needs = mark;
  $("dependencies").replaceChildren(
    ...list.map((one) => {
      const item = document.createElement("li");
      item.dataset.status = one.status;
      const detail = document.createElement("span");
      detail.className = "soft";
      detail.textContent = one.detail;
      item.append(one.name, detail);
      return item;
    }),
  );
}

function waiting(list) {
  const mark = JSON.stringify(list);
  if (mark === asking) return;
  asking = mark;
  $("waiting").hidden = !list.length;
  put("nwaiting", list.length ? String(list.length) : "");
  const rows = list.map((o) => [
    cell(o.symbol, "symbol"),
    cell(o.side, "tag", o.side === "buy" ? "good" : "bad"),
    quantity(o.quantity),
    amount(o.value),
    amount(o.stop_loss),
    amount(o.take_profit),
    short(o.expires_at),
    cell(o.reason, "text"),
    cell(actions(o), "act"),
  ]);
  const columns = [["Symbol", "symbol"], ["Side"], ["Quantity", "num"], ["Value", "num"], ["Stop", "num"], ["Target", "num"], ["Until (market)"], ["Why"], [""]];
  fill($("confirmations"), columns, rows, "");
}

function actions(order) {
  const box = document.createElement("div");
  box.className = "actions";
  box.dataset.mark = order.client_id;
  const what = `${order.side} ${quantity(order.quantity)} ${order.symbol}, worth ${amount(order.value)}`;
  for (const [word, text] of [["confirm", "It is judged once more by the risk gate, then sent."], ["refuse", "It is given up."]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word;
    const path = `/api/v1/bot/orders/${encodeURIComponent(order.client_id)}/${word}`;
    button.addEventListener("click", () => ask({ title: `${word}: ${what}`, text, button: word, path }));
    box.append(button);
  }
  return box;
}

function reasons(now) {
  const lines = now.reasons.map((item) => [item.state, `${item.source.replaceAll("_", " ")}: ${item.reason}`]);
  if (now.stop && now.stop.outcome) {
    const outcome = now.stop.outcome;
    lines.push([outcome.state, `stop ${now.stop.id}: ${outcome.message}`]);
    for (const o of outcome.orders ?? []) if (o.state !== "CANCELLED") lines.push([o.state, `order ${o.client_id} ${o.symbol} ${o.reason}`]);
    for (const p of outcome.positions ?? []) lines.push([p.state, `${p.symbol}: ${p.residual} left ${p.reason}`]);
  }
  $("reasons").hidden = !lines.length;
  $("reasons").replaceChildren(
    ...lines.map(([state, text]) => {
      const line = document.createElement("p");
      const word = document.createElement("b");
      word.textContent = state;
      line.append(word, ` ${text}`);
      return line;
    }),
  );
}

function account(now, all) {
  const gain = Number(now.equity) / Number(now.capital) - 1;
  put("equity", `${amount(now.equity)} ${now.currency}`, "big");
  put("return", `${gain >= 0 ? "+" : "−"}${percent(Math.abs(gain))} of ${amount(now.capital)}`);
  put("day", signed(now.day_change), tone(now.day_change));
  put("unrealized", signed(now.unrealized), tone(now.unrealized));
  put("exposure", `${all.positions} position${all.positions === 1 ? "" : "s"}, ${all.open_orders} order${all.open_orders === 1 ? "" : "s"}`);
  put("realized", signed(now.realized), tone(now.realized));
  put("fees", `before fees of ${amount(now.fees)}`);
  put("drawdown", percent(Number(now.drawdown)));
  put("peak", `peak ${amount(now.peak)}`);
  const [symbol, price] = Object.entries(now.prices)[0] || ["", null];
  put("price", amount(price));
  put("symbol", symbol || "Market");
  put("clock", moment(now.market_time));
  chart.add(Date.parse(now.market_time) / 1000, Number(now.equity), Number(now.drawdown));
  chart.draw();
}

function close(position) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small";
  button.dataset.mark = `${position.id} ${position.direction} ${position.quantity}`;
  button.textContent = "Close";
  button.addEventListener("click", () =>
    ask({
      title: `Close ${position.direction} ${quantity(position.quantity)} ${position.symbol}`,
      text: "At market, now. Its stop and its target are taken back.",
      button: "Close position",
      path: `/api/v1/bot/positions/${encodeURIComponent(position.id)}/close`,
    }),
  );
  return button;
}

function positions(list) {
  put("npositions", list.length ? String(list.length) : "");
  const rows = list.map((p) => [
    cell(p.symbol, "symbol"),
    cell(p.direction, "tag", p.direction === "long" ? "good" : "bad"),
    quantity(p.quantity),
    amount(p.average_price),
    amount(p.value),
    cell(signed(p.unrealized), "", tone(p.unrealized)),
    amount(p.stop_loss),
    amount(p.take_profit),
    cell(close(p)),
  ]);
  const columns = [["Symbol", "symbol"], ["Side"], ["Quantity", "num"], ["Entry", "num"], ["Value", "num"], ["P&L", "num"], ["Stop", "num"], ["Target", "num"], ["", "num"]];
  fill($("positions"), columns, rows, "Nothing is held.");
}

function orders(list) {
  put("norders", list.length ? String(list.length) : "");
  const rows = list.map((o) => [
    cell(o.symbol, "symbol"),
    cell(o.role, "tag"),
    cell(o.side, "tag", o.side === "buy" ? "good" : "bad"),
    quantity(o.quantity),
    amount(o.stop_price ?? o.limit_price),
    o.state.toLowerCase(),
  ]);
  fill($("orders"), [["Symbol", "symbol"], ["Role"], ["Side"], ["Quantity", "num"], ["Price", "num"], ["State"]], rows, "No order is working.");
}

function trades(list) {
  const rows = list.map((t) => [
    short(t.executed_at),
    cell(t.symbol, "symbol"),
    cell(t.side, "tag", t.side === "buy" ? "good" : "bad"),
    cell(t.role, "tag"),
    quantity(t.quantity),
    amount(t.price),
    t.realized === "0" ? "" : cell(signed(t.realized), "", tone(t.realized)),
  ]);
  const columns = [["Market time"], ["Symbol", "symbol"], ["Side"], ["Role"], ["Quantity", "num"], ["Price", "num"], ["P&L", "num"]];
  fill($("trades"), columns, rows, "No trade yet.");
}

function decisions(list) {
  const rows = list.map((d) => [
    short(d.decided_at),
    cell(d.symbol, "symbol"),
    cell(`${d.action} ${d.side}`, "tag"),
    cell(d.approved ? "approved" : d.code, "", d.approved ? "good" : "bad"),
    cell(d.approved ? d.reason : `${d.reason}: ${d.meaning}`, "text"),
  ]);
  fill($("decisions"), [["Market time"], ["Symbol", "symbol"], ["What"], ["Answer"], ["Why"]], rows, "The strategy has not proposed anything yet.");
}

async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response.json();
}

async function past(force = false) {
  if (document.hidden || (!force && Date.now() - asked < REFRESH)) return;
  asked = Date.now();
  try {
    const [t, d] = await Promise.all([get("/api/v1/trades?limit=12"), get("/api/v1/decisions?limit=12")]);
    trades(t.trades);
    decisions(d.decisions);
  } catch (error) {
    console.warn(error);
  }
}

async function curve() {
  try {
    chart.history((await get("/api/v1/equity?limit=1000")).equity);
  } catch (error) {
    console.warn(error);
  }
}

function link(state, text) {
  $("link").dataset.link = state;
  put("link", text);
}

function follow() {
  const source = new EventSource("/api/v1/events");
  source.onopen = () => link("live", "live");
  source.onerror = () => link("wait", "reconnecting");
  source.onmessage = (event) => {
    link("live", "live");
    const now = JSON.parse(event.data);
    show(now);
    const mark = `${now.positions}/${now.open_orders}/${now.state}`;
    past(mark !== seen);
    seen = mark;
  };
}

function theme() {
  const root = document.documentElement;
  const saved = localStorage.getItem("theme");
  if (saved) root.dataset.theme = saved;
  $("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    chart.redraw();
  });
}

function buttons() {
  $("stop").addEventListener("click", () =>
    ask({
      title: "Emergency stop",
      text: "Blocks new positions at once, cancels entry orders and keeps protective stops. It outlives restarts, and only its own id resumes.",
      button: "Stop trading",
      path: (flat) => `/api/v1/bot/emergency-stop?close_positions=${flat}`,
      flatten: true,
    }),
  );
  $("pause").addEventListener("click", () =>
    paused
      ? ask({ title: "Start", text: "Lifts the pause. A stop, or the halt of a limit, stays.", button: "Start trading", path: "/api/v1/bot/start" })
      : ask({ title: "Pause", text: "No new positions; entry orders are cancelled, stops and exits go on. It outlives restarts.", button: "Pause trading", path: "/api/v1/bot/stop" }),
  );
}

theme();
buttons();
await curve();
await past(true);
follow();
setInterval(() => past(), REFRESH);
