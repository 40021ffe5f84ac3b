// The tables: positions, working orders, last trades, last decisions.
import { ask } from "./ask.js";
import { amount, base, local, price, quantity, short, signed, tone } from "./format.js";
import { cell, fill } from "./table.js";

const $ = (id) => document.getElementById(id);
const side = (word) => cell(word, "tag", word === "buy" || word === "long" ? "good" : "bad");
const time = (iso) => cell(short(iso), "", "", local(iso));
const coins = (text, symbol) => `${quantity(text)} ${base(symbol)}`;
const count = (id, list) => {
  $(id).textContent = list.length ? String(list.length) : "";
};

function close(position) {
  const what = `${position.direction} ${coins(position.quantity, position.symbol)}`;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small";
  button.dataset.mark = `${position.id} ${position.direction} ${position.quantity}`;
  button.textContent = "Close";
  button.setAttribute("aria-label", `Close ${what}`);
  button.addEventListener("click", () =>
    ask({
      title: `Close ${what}`,
      text: "At market, now. Its stop and its target are taken back.",
      button: "Close position",
      path: `/api/v1/bot/positions/${encodeURIComponent(position.id)}/close`,
    }),
  );
  return button;
}

export function positions(list, currency) {
  count("npositions", list);
  const rows = list.map((p) => [
    cell(p.symbol, "symbol"),
    side(p.direction),
    coins(p.quantity, p.symbol),
    price(p.average_price),
    price(p.price),
    amount(p.value),
    cell(signed(p.unrealized), "", tone(p.unrealized)),
    price(p.stop_loss),
    price(p.take_profit),
    time(p.opened),
    cell(close(p)),
  ]);
  const columns = [["Symbol", "symbol"], ["Side"], ["Quantity", "num"], ["Entry", "num"], ["Price", "num"], [`Value, ${currency}`, "num"], [`P&L, ${currency}`, "num"], ["Stop", "num"], ["Target", "num"], ["Opened, UTC", "opened"], ["", "num"]];
  fill($("positions"), columns, rows, "Nothing is held.");
}

export function orders(list) {
  count("norders", list);
  const rows = list.map((o) => [
    cell(o.symbol, "symbol"),
    cell(o.role, "tag"),
    side(o.side),
    coins(o.quantity, o.symbol),
    price(o.stop_price ?? o.limit_price),
    cell(o.state.toLowerCase(), "", o.state === "UNKNOWN" ? "bad" : ""),
  ]);
  fill($("orders"), [["Symbol", "symbol"], ["Role"], ["Side"], ["Quantity", "num"], ["Price", "num"], ["State"]], rows, "No order is working.");
}

// A process that does not trade knows of nothing: it must not say that there is nothing.
export function elsewhere() {
  for (const id of ["npositions", "norders"]) $(id).textContent = "";
  for (const id of ["positions", "orders"]) fill($(id), [], [], "Not known to this process: it does not trade.");
}

export function trades(list) {
  const rows = list.map((t) => [
    time(t.executed_at),
    cell(t.symbol, "symbol"),
    side(t.side),
    cell(t.role, "tag"),
    coins(t.quantity, t.symbol),
    price(t.price),
    t.realized === "0" ? "" : cell(signed(t.realized), "", tone(t.realized)),
  ]);
  const columns = [["Market time, UTC", "time"], ["Symbol", "symbol"], ["Side"], ["Role"], ["Quantity", "num"], ["Price", "num"], ["P&L", "num"]];
  fill($("trades"), columns, rows, "No trade yet.");
}

export function decisions(list) {
  const rows = list.map((d) => [
    time(d.decided_at),
    cell(d.symbol, "symbol"),
    cell(`${d.action} ${d.side}`, "tag"),
    d.approved ? cell("approved", "", "good") : cell(d.code.toLowerCase().replaceAll("_", " "), "text", "bad"),
    cell(d.approved ? d.reason : `${d.reason}: ${d.meaning}`, "text"),
  ]);
  const columns = [["Market time, UTC", "time"], ["Symbol", "symbol"], ["What"], ["Answer"], ["Why"]];
  fill($("decisions"), columns, rows, "The strategy has not proposed anything yet.");
}
