// The equity curve: history from the database, then whatever the stream brings.
const MOST = 2000;
const data = [[], []];
let plot = null;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const iso = (seconds) => new Date(seconds * 1000).toISOString();

// Hours of the day, and the day where it begins.
function hours(_, ticks) {
  return ticks.map((tick) => (tick % 86400 === 0 ? iso(tick).slice(5, 10) : iso(tick).slice(11, 16)));
}

// The point under the cursor, the last one otherwise.
function point(u) {
  const index = u.cursor.idx ?? data[0].length - 1;
  if (index < 0) return;
  const value = data[1][index].toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  document.getElementById("point").textContent = `${iso(data[0][index]).slice(0, 16).replace("T", " ")} UTC · ${value}`;
}

function options(width) {
  const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return {
    width,
    height: document.getElementById("chart").clientHeight,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    hooks: { setCursor: [point], setData: [point], ready: [point] },
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    axes: [{ ...axis, values: hours, size: 30 }, { ...axis, size: 68, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en-US")) }],
    series: [
      {},
      {
        stroke: css("--blue"),
        width: 2,
        fill: `${css("--blue")}1f`,
        points: { show: false },
      },
    ],
  };
}

export function draw() {
  const target = document.getElementById("chart");
  const enough = data[0].length > 1;
  target.hidden = !enough;
  document.getElementById("nochart").hidden = enough;
  if (!enough || !window.uPlot) return;
  if (plot) {
    plot.setData(data);
  } else {
    plot = new uPlot(options(target.clientWidth), data, target);
  }
}

export function redraw() {
  if (plot) plot.destroy();
  plot = null;
  draw();
}

export function history(points) {
  data[0].length = 0;
  data[1].length = 0;
  for (const point of [...points].reverse()) add(point.market_ts / 1e6, Number(point.equity));
  draw();
}

export function add(seconds, equity) {
  const last = data[0].at(-1);
  if (last !== undefined && seconds <= last) return;
  data[0].push(seconds);
  data[1].push(equity);
  if (data[0].length > MOST) {
    data[0].shift();
    data[1].shift();
  }
}

new ResizeObserver(() => {
  const target = document.getElementById("chart");
  if (plot && target.clientWidth) plot.setSize({ width: target.clientWidth, height: target.clientHeight });
}).observe(document.getElementById("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
