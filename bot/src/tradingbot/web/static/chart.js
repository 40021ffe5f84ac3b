// Equity and drawdown: history from the database, then whatever the stream brings.
const MOST = 2000;
const times = [];
const equity = [];
const falls = [];
const plots = new Map();

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const iso = (seconds) => new Date(seconds * 1000).toISOString();
const money = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = (value) => `${value.toFixed(2)} %`;

// Between two ticks, in seconds: never parts of one.
const STEPS = [1, 5, 10, 15, 30, 60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];

// Hours of the day, seconds where the ticks are closer than a minute, and the day where it begins.
function hours(_, ticks) {
  const end = ticks.length > 1 && ticks[1] - ticks[0] < 60 ? 19 : 16;
  return ticks.map((tick) => (tick % 86400 === 0 ? iso(tick).slice(5, 10) : iso(tick).slice(11, end)));
}

// A curve that does not move yet is drawn as what it is, not as half of nothing to double.
function around(_, low, high) {
  const pad = Math.max((high - low) * 0.08, Math.abs(high) * 0.0005, 0.01);
  return [low - pad, high + pad];
}

// The point under the cursor, the last one otherwise.
function point(u) {
  const index = u.cursor.idx ?? times.length - 1;
  if (index < 0) return;
  document.getElementById("point").textContent = `${iso(times[index]).slice(0, 16).replace("T", " ")} UTC · ${money(equity[index])}`;
  document.getElementById("fall").textContent = percent(falls[index]);
}

const CHARTS = [
  { id: "chart", values: equity, color: "--blue", write: (tick) => tick.toLocaleString("en-US"), range: around },
  { id: "depth", values: falls, color: "--bad", write: (tick) => `${+tick.toFixed(2)} %`, range: (_, low) => [Math.min(low * 1.1, -0.1), 0] },
];

function options(chart, target) {
  const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width: target.clientWidth,
    height: target.clientHeight,
    padding: [10, 18, chart.id === "depth" ? 8 : 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    hooks: { setCursor: [point], setData: [point], ready: [point] },
    cursor: { drag: { x: false, y: false }, points: { size: 7 }, sync: { key: "account" } },
    scales: { y: { range: chart.range } },
    axes: [{ ...axis, values: hours, incrs: STEPS, space: 80, size: 30, show: chart.id === "chart" }, { ...axis, size: 68, values: (_, ticks) => ticks.map(chart.write) }],
    series: [
      {},
      {
        stroke: css(chart.color),
        width: 2,
        fill: `${css(chart.color)}1f`,
        fillTo: chart.id === "depth" ? 0 : undefined,
        points: { show: false },
      },
    ],
  };
}

export function draw() {
  const enough = times.length > 1;
  document.getElementById("nochart").hidden = enough;
  for (const chart of CHARTS) {
    const target = document.getElementById(chart.id);
    target.hidden = !enough;
    if (!enough || !window.uPlot) continue;
    const there = plots.get(chart.id);
    if (there) there.setData([times, chart.values]);
    else plots.set(chart.id, new uPlot(options(chart, target), [times, chart.values], target));
  }
}

export function redraw() {
  for (const plot of plots.values()) plot.destroy();
  plots.clear();
  draw();
}

export function history(points) {
  for (const list of [times, equity, falls]) list.length = 0;
  for (const one of [...points].reverse()) {
    const peak = Number(one.peak);
    add(one.market_ts / 1e6, Number(one.equity), peak > 0 ? Math.max(0, 1 - Number(one.equity) / peak) : 0);
  }
  draw();
}

export function add(seconds, value, drawdown) {
  const last = times.at(-1);
  if (last !== undefined && seconds <= last) return;
  times.push(seconds);
  equity.push(value);
  falls.push(-drawdown * 100);
  if (times.length > MOST) for (const list of [times, equity, falls]) list.shift();
}

const watcher = new ResizeObserver(() => {
  for (const [id, plot] of plots) {
    const target = document.getElementById(id);
    if (target.clientWidth) plot.setSize({ width: target.clientWidth, height: target.clientHeight });
  }
});
for (const chart of CHARTS) watcher.observe(document.getElementById(chart.id));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
