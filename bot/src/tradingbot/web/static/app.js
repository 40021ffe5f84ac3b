// One page: the stream brings the account, the database's history is asked for when something happened.
import { ask } from "./ask.js";
import * as chart from "./chart.js";
import { ago, amount, local, moment, percent, price, second, signed, tone } from "./format.js";
import { approval, holds, tick, waiting } from "./holds.js";
import * as rows from "./rows.js";
import { element } from "./table.js";

const $ = (id) => document.getElementById(id);
const REFRESH = 4000;
// The bot says something every ten seconds at the latest: whoever is silent for longer is not there.
const SILENCE = 20_000;
const RETRY = 3000;
const PATIENCE = 15_000;
let asked = 0;
let seen = "";
let needs = "";
let paused = false;
let heard = Date.now();
let last = null;

function put(id, text, className) {
  const target = $(id);
  if (target.textContent !== text) target.textContent = text;
  if (className !== undefined) target.className = className;
}

function show(now) {
  last = now;
  const trades = now.role === "trading";
  // A process that waits is in no state that matters: what counts is the state of the one that trades.
  const state = trades ? now.state : now.ready ? "STANDBY" : "STARTING";
  document.title = `${state} · ${now.bot}`;
  document.body.classList.toggle("single", now.strategy.symbols.length === 1);
  document.body.classList.toggle("elsewhere", !trades);
  put("bot", now.bot);
  put("what", `${now.strategy.name} · ${now.strategy.symbols.join(", ")} · ${now.strategy.timeframe}`);
  put("state", state);
  $("state").dataset.state = state;
  const live = now.mode === "live";
  put("mode", live ? (now.test_mode ? "LIVE · test account" : "LIVE · real money") : `simulation${now.speed === "1" ? "" : ` ×${now.speed}`}`);
  $("mode").dataset.mode = live && !now.test_mode ? "money" : "";
  approval(now);
  holds(now, state);
  waiting(now);
  const problem = now.problem ? ` · not ready: ${now.problem}` : " · ready";
  put("health", `v${now.version} · up ${ago(now.uptime)} · database ${now.database_connected ? "connected" : "lost"}${problem}`);
  if (now.account) account(now.account, now);
  if (trades || now.account) {
    rows.positions(now.open_positions, now.account?.currency ?? "");
    rows.orders(now.orders);
  } else {
    rows.elsewhere();
  }
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
      const item = element("li", "", one.name, element("span", "word", one.status), element("span", "soft", one.detail));
      item.dataset.status = one.status;
      return item;
    }),
  );
}

function account(now, all) {
  const gain = Number(now.equity) / Number(now.capital) - 1;
  put("equity", `${amount(now.equity)} ${now.currency}`, "big");
  put("return", `${gain >= 0 ? "+" : "−"}${percent(Math.abs(gain))} of ${amount(now.capital)}`);
  put("day", signed(now.day_change), tone(now.day_change));
  put("dayunit", "since 00:00 UTC");
  for (const unit of document.querySelectorAll(".tile .unit")) unit.textContent = `, ${now.currency}`;
  put("unrealized", signed(now.unrealized), tone(now.unrealized));
  put("exposure", `${all.positions} position${all.positions === 1 ? "" : "s"}, ${all.open_orders} order${all.open_orders === 1 ? "" : "s"}`);
  put("realized", signed(now.realized), tone(now.realized));
  put("fees", `before fees of ${amount(now.fees)}`);
  put("drawdown", percent(Number(now.drawdown)));
  put("peak", `peak ${amount(now.peak)}`);
  const [symbol, found] = Object.entries(now.prices)[0] || ["", null];
  put("price", price(found));
  put("symbol", symbol || "Market");
  put("clock", `${moment(now.market_time)} UTC`);
  $("clock").title = local(now.market_time);
  chart.add(Date.parse(now.market_time) / 1000, Number(now.equity), Number(now.drawdown));
  chart.draw();
}

async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response.json();
}

async function past(force = false) {
  if (document.hidden || (!force && Date.now() - asked < REFRESH)) return;
  asked = Date.now();
  try {
    const [t, d] = await Promise.all([get("/api/v1/trades?limit=12"), get("/api/v1/decisions?limit=12")]);
    rows.trades(t.trades);
    rows.decisions(d.decisions);
    $("old").hidden = true;
  } catch (error) {
    // What is there stays, and is said to be old.
    $("old").hidden = false;
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

// What is shown may be over: everything is grey until the bot is heard again, and since when is said.
function link(there) {
  document.body.classList.toggle("stale", !there);
  $("link").dataset.link = there ? "live" : "wait";
  put("link", there ? "connected" : "no connection");
  $("stale").hidden = there;
  if (there) return;
  const since = new Date(heard).toISOString();
  put("since", last ? `${second(since)} UTC` : "this page was opened");
  $("since").title = local(since);
  put("silent", `(${ago((Date.now() - heard) / 1000)})`);
  const stop = last?.how.stop ?? "";
  $("without").hidden = !stop;
  put("withoutcommand", stop);
  document.title = `no connection · ${last?.bot ?? "trading bot"}`;
}

function follow() {
  const source = new EventSource("/api/v1/events");
  let dead = false;
  source.onerror = () => {
    link(false);
    // After an answer that is no stream (a proxy's 502, too many streams) the browser gives up; this page does not.
    if (source.readyState === EventSource.CLOSED && !dead) {
      dead = true;
      setTimeout(follow, RETRY);
    }
  };
  source.onmessage = (event) => {
    heard = Date.now();
    link(true);
    const now = JSON.parse(event.data);
    show(now);
    const mark = `${now.positions}/${now.open_orders}/${now.state}/${now.confirmations}`;
    past(mark !== seen);
    seen = mark;
  };
}

function watch() {
  if (Date.now() - heard > SILENCE || $("link").dataset.link === "wait") link(false);
  tick();
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
      other: last?.how.stop ?? "",
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
follow();
setInterval(watch, 1000);
await Promise.all([curve(), past(true)]);
setInterval(() => past(), REFRESH);
