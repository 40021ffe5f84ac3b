"use strict";
const result = JSON.parse(document.getElementById("data").textContent);
const { inputs, metrics } = result;
const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const NOTHING = "–";

const iso = (seconds) => new Date(seconds * 1000).toISOString();
const when = (micro) => iso(micro / 1e6).slice(0, 16).replace("T", " ");
const money = (value, digits = 2) =>
  value === null || value === undefined
    ? NOTHING
    : Number(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const price = (value) => (value === null ? NOTHING : Number(value).toLocaleString("en-US", { maximumSignificantDigits: 8 }));
const percent = (value, digits = 2) => (value === null ? NOTHING : `${(Number(value) * 100).toFixed(digits)} %`);
const signed = (value) => (value === null ? NOTHING : `${Number(value) > 0 ? "+" : ""}${percent(value)}`);
const ratio = (value) => (value === null ? NOTHING : Number(value).toFixed(2));
const tone = (value) => (value === null || Number(value) === 0 ? "" : Number(value) > 0 ? "good" : "bad");

function span(micro) {
  const minutes = Math.round(micro / 6e7);
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  return [days && `${days} d`, hours && `${hours} h`, !days && rest && `${rest} min`].filter(Boolean).join(" ") || "0 min";
}

// -- tables: text only, never markup -----------------------------------------------------------------------------

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(id, head, rows) {
  const table = $(id);
  if (head) {
    const line = table.createTHead().insertRow();
    for (const [text, className] of head) {
      const cell = element("th", text, className);
      cell.scope = "col";
      line.append(cell);
    }
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const [text, className] of row) line.append(element("td", text, className));
  }
}

function pairs(id, rows) {
  const body = $(id).createTBody();
  for (const [name, value, className] of rows) {
    const line = body.insertRow();
    const cell = element("th", name);
    cell.scope = "row";
    line.append(cell, element("td", value, className ?? "right"));
  }
}

function tiles() {
  const fall = metrics.max_drawdown;
  const closed = metrics.trades;
  const shown = [
    ["Final equity", money(metrics.final_equity), `from ${money(metrics.capital)} ${inputs.quote}`, ""],
    ["Total return", signed(metrics.total_return), `buy and hold ${signed(metrics.buy_and_hold)}`, tone(metrics.total_return)],
    ["Max drawdown", percent(fall.depth), fall.depth ? `trough ${when(fall.trough_ts).slice(0, 10)}` : "", ""],
    ["Sharpe", ratio(metrics.sharpe), `Sortino ${ratio(metrics.sortino)}`, tone(metrics.sharpe)],
    ["Trades", String(closed), `${percent(metrics.win_rate, 0)} won`, ""],
    ["Profit factor", ratio(metrics.profit_factor), `fees ${money(metrics.fees)}`, ""],
  ];
  for (const [name, value, below, className] of shown) {
    const tile = element("div", undefined, "tile");
    tile.append(element("h2", name), element("p", value, `value ${className}`), element("p", below, "soft"));
    $("tiles").append(tile);
  }
}

function tables() {
  $("subtitle").textContent =
    `${inputs.timeframe} candles, ${inputs.begin.slice(0, 16).replace("T", " ")} to ${inputs.end.slice(0, 16).replace("T", " ")} UTC · ` +
    `${inputs.candles.toLocaleString("en-US")} candles (${inputs.dataset ? `${inputs.dataset} data` : "synthetic market"}) · simulated exchange, no real money`;
  for (const halt of result.halts) {
    const line = element("p");
    line.append(element("b", `Trading ended ${halt.ts.slice(0, 16).replace("T", " ")} UTC`), ` (${halt.source}): ${halt.reason}`);
    $("halts").append(line);
    $("halts").hidden = false;
  }
  const fall = metrics.max_drawdown;
  pairs("figures", [
    [`CAGR (of ${metrics.days.toFixed(0)} days)`, signed(metrics.cagr)],
    ["Calmar", ratio(metrics.calmar)],
    ["Drawdown from", fall.depth ? when(fall.peak_ts) : NOTHING],
    ["Drawdown to", fall.depth ? when(fall.trough_ts) : NOTHING],
    ["Recovered", fall.recovered_ts ? when(fall.recovered_ts) : "no"],
    ["Longest under water", span(metrics.longest_under_water)],
    ["Exposure", percent(metrics.exposure)],
    [`Expectancy a trade (${inputs.quote})`, money(metrics.expectancy)],
    ["Average win / loss", `${money(metrics.average_win)} / ${money(metrics.average_loss)}`],
    ["Best / worst trade", `${money(metrics.best)} / ${money(metrics.worst)}`],
    ["Fees", money(metrics.fees)],
    ["Slippage", money(metrics.slippage)],
    ["Turnover", money(metrics.turnover)],
    ["Orders / fills", `${metrics.orders} / ${metrics.fills}`],
  ]);
  trades();
  const head = [["Code"], ["Times", "num"], ["Meaning"], ["Last time"], ["Figures then"]];
  if (result.denials.length) {
    fill("denials", head, result.denials.map((denial) => [
      [denial.code, "mono nowrap"], [String(denial.count), "num"], [denial.meaning], [when(denial.last_ts), "nowrap"],
      [Object.entries(denial.last_facts).map(([key, value]) => `${key}=${value}`).join(" "), "mono"],
    ]));
  } else {
    fill("denials", null, [[["Nothing was denied."]]]);
  }
  pairs("parameters", Object.entries(inputs.parameters));
  const terms = { ...inputs.risk, ...inputs.simulation };
  pairs("terms", Object.entries(terms).filter(([, v]) => v === null || typeof v !== "object").map(([k, v]) => [k, v === null ? NOTHING : String(v)]));
  pairs("origin", [
    ["tradingbot", inputs.version, "mono"],
    ["Ledger sha256", `${result.ledger.sha256} (${result.ledger.postings} postings)`, "mono"],
    ["Seed", String(inputs.seed), "mono"],
    ...inputs.files.map((file) => [file.name, `${file.sha256}${flaws(file)}`, "mono"]),
    ...(inputs.config_sha256 ? [["Configuration", inputs.config_sha256, "mono"]] : []),
  ]);
}

function flaws(file) {
  const found = Object.entries(file.left_out).map(([flaw, count]) => `${count} × ${flaw}`);
  return found.length ? ` (rows left out: ${found.join(", ")})` : "";
}

function trades() {
  const trips = result.round_trips;
  $("trades-title").textContent = `Trades (${trips.length}${trips.some((trip) => trip.closed === null) ? ", one or more still open" : ""})`;
  if (!trips.length) return fill("trades", null, [[["There was no trade."]]]);
  const head = [["#", "num"], ["Symbol"], ["Side"], ["Opened (UTC)"], ["Held"], ["Quantity", "num"], ["Entry", "num"], ["Exit", "num"],
    ["Fees", "num"], ["Profit", "num"], ["Why in"], ["Why out"]];
  fill("trades", head, trips.map((trip, index) => [
    [String(index + 1), "num"], [trip.symbol, "nowrap"], [trip.direction], [when(trip.opened), "nowrap"],
    [trip.closed === null ? "open" : span(trip.closed - trip.opened), "nowrap"], [price(trip.quantity), "num"], [price(trip.entry_price), "num"],
    [price(trip.exit_price), "num"], [money(trip.fees), "num"], [money(trip.profit), `num ${tone(trip.profit)}`],
    [trip.entry_reason], [trip.exit_reason],
  ]));
}

function months() {
  const names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const years = new Map();
  for (const [month, value] of Object.entries(result.monthly_returns)) {
    const year = month.slice(0, 4);
    if (!years.has(year)) years.set(year, Array(12).fill(null));
    years.get(year)[Number(month.slice(5)) - 1] = value;
  }
  // One line per month while they are few, a grid of years otherwise.
  if (years.size < 3) {
    return pairs("months", Object.entries(result.monthly_returns).map(([month, value]) => [month, signed(value), value < 0 ? "minus" : value > 0 ? "plus" : ""]));
  }
  fill("months", [[""], ...names.map((name) => [name])], [...years].map(([year, values]) => [
    [year], ...values.map((value) => (value === null ? [""] : [(value * 100).toFixed(1), value < 0 ? "minus" : "plus"])),
  ]));
}

// -- charts ------------------------------------------------------------------------------------------------------

const drawn = [];
const sync = uPlot.sync("time");

function ticks(_, moments) {
  const step = moments.length > 1 ? moments[1] - moments[0] : 0;
  return moments.map((moment) => (step >= 86400 || moment % 86400 === 0 ? iso(moment).slice(step > 27 * 86400 ? 0 : 5, step > 27 * 86400 ? 7 : 10) : iso(moment).slice(11, 16)));
}

function chart(id, data, series, values, tell, extra = {}) {
  const target = $(id);
  const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const { hooks = {}, cursor = {}, ...rest } = extra;
  const write = (u) => {
    const index = u.cursor.idx ?? u.data[0].length - 1;
    if (index >= 0) $(`${id}-at`).textContent = tell(index);
  };
  const plot = new uPlot({
    width: target.clientWidth,
    height: target.clientHeight,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { sync: { key: sync.key, scales: ["x", null] }, y: false, points: { size: 6 }, drag: { x: true, y: false }, ...cursor },
    axes: [{ ...axis, values: ticks, space: 64, size: 28 }, { ...axis, size: 72, space: 26, values: (_, all) => all.map(values) }],
    series: [{}, ...series],
    hooks: { ...hooks, setCursor: [write], ready: [write] },
    ...rest,
  }, data, target);
  drawn.push([plot, target]);
}

// Entries as triangles in the direction of the trade, exits as circles, a line from one to the other.
function marks(symbol) {
  const trips = result.round_trips.filter((trip) => trip.symbol === symbol);
  return (u) => {
    const pen = u.ctx;
    const size = 5 * devicePixelRatio;
    const at = (ts, value) => [u.valToPos(ts / 1e6, "x", true), u.valToPos(Number(value), "y", true)];
    pen.save();
    pen.beginPath();
    pen.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    pen.clip();
    for (const trip of trips) {
      const colour = css(Number(trip.profit) >= 0 ? "--good" : "--bad");
      const [x, y] = at(trip.opened, trip.entry_price);
      const turn = trip.direction === "long" ? 1 : -1;
      pen.strokeStyle = pen.fillStyle = colour;
      if (trip.closed !== null) {
        const [out, level] = at(trip.closed, trip.exit_price);
        pen.lineWidth = 1.5 * devicePixelRatio;
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(out, level);
        pen.stroke();
        pen.beginPath();
        pen.arc(out, level, size * 0.7, 0, 2 * Math.PI);
        pen.fillStyle = css("--card");
        pen.fill();
        pen.stroke();
      }
      pen.fillStyle = colour;
      pen.beginPath();
      pen.moveTo(x, y - size * turn);
      pen.lineTo(x - size, y + size * turn);
      pen.lineTo(x + size, y + size * turn);
      pen.fill();
    }
    pen.restore();
  };
}

function draw() {
  for (const [plot] of drawn) plot.destroy();
  drawn.length = 0;
  const blue = css("--blue");
  const times = result.curve.ts.map((ts) => ts / 1e6);
  const line = { width: 1.6, points: { show: false } };
  const { equity, drawdown } = result.curve;
  const first = Number(metrics.capital);
  chart("equity", [times, equity, times.map(() => first)],
    [{ ...line, stroke: blue, fill: css("--band"), fillTo: first }, { stroke: css("--soft"), width: 1, dash: [4, 4], points: { show: false } }],
    (value) => value.toLocaleString("en-US"),
    (i) => `${when(result.curve.ts[i])} UTC · ${money(equity[i])} ${inputs.quote} · ${signed(equity[i] / first - 1)}`);
  const falls = drawdown.map((value) => -value * 100);
  chart("drawdown", [times, falls], [{ ...line, stroke: css("--bad"), fill: `${css("--bad")}26`, fillTo: 0 }],
    (value) => `${Math.round(value * 100) / 100} %`, (i) => `${when(result.curve.ts[i])} UTC · ${falls[i].toFixed(2)} %`);
  for (const [number, [symbol, curve]] of Object.entries(result.prices).entries()) {
    chart(`price-${number}`, [curve.ts.map((ts) => ts / 1e6), curve.high, curve.low, curve.close],
      [{ width: 0, points: { show: false } }, { width: 0, points: { show: false } }, { ...line, width: 1.2, stroke: blue }],
      (value) => value.toLocaleString("en-US"),
      (i) => `${when(curve.ts[i])} UTC · ${price(curve.close[i])} (${price(curve.low[i])} – ${price(curve.high[i])})`,
      { bands: [{ series: [1, 2], fill: css("--band") }], hooks: { draw: [marks(symbol)] } });
  }
  bars(line);
}

function bars(line) {
  const days = Object.entries(result.daily_returns);
  const noon = days.map(([day]) => Date.parse(`${day}T12:00:00Z`) / 1000);
  const values = days.map(([, value]) => value * 100);
  const path = uPlot.paths.bars({ size: [0.7, 40] });
  const split = (keep) => values.map((value) => (keep(value) ? value : null));
  const bar = (colour) => ({ ...line, width: 0, fill: css(colour), paths: path });
  const range = (_, low, high) => {
    const reach = Math.max(0.1, Math.abs(low ?? 0), Math.abs(high ?? 0)) * 1.1;
    return [-reach, reach];
  };
  chart("daily", [noon, split((v) => v >= 0), split((v) => v < 0)], [bar("--good"), bar("--bad")],
    (value) => `${Math.round(value * 100) / 100} %`, (i) => `${days[i][0]} · ${signed(values[i] / 100)}`,
    { scales: { x: { range: (_, low, high) => [low - 43200, high + 43200] }, y: { range } } });
}

function places() {
  for (const [number, symbol] of Object.keys(result.prices).entries()) {
    const card = element("article", undefined, "card");
    const head = element("h2", `${symbol}: price, entries and exits `);
    head.append(Object.assign(element("span", "", "at"), { id: `price-${number}-at` }));
    const legend = element("p", "▲ bought   ▼ sold short   ○ closed; green earned after fees, red lost. Drag to zoom, double click to see all.", "soft legend");
    card.append(head, Object.assign(element("div", undefined, "chart price"), { id: `price-${number}` }), legend);
    $("prices").append(card);
  }
}

tiles();
tables();
months();
places();
draw();
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", draw);
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  draw();
});
new ResizeObserver(() => {
  for (const [plot, target] of drawn) if (target.clientWidth) plot.setSize({ width: target.clientWidth, height: target.clientHeight });
}).observe(document.querySelector("main"));
