// Writing numbers and times. Amounts arrive as text, exact; here they are only shown.
const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const plain = new Intl.NumberFormat("en-US", { maximumFractionDigits: 8 });

export const amount = (text) => (text === null || text === undefined ? "–" : money.format(Number(text)));
export const quantity = (text) => (text === null || text === undefined ? "–" : plain.format(Number(text)));
export const percent = (value) => `${(value * 100).toFixed(2)} %`;

export function signed(text) {
  const value = Number(text);
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${money.format(Math.abs(value))}`;
}

export const tone = (text) => (Number(text) > 0 ? "good" : Number(text) < 0 ? "bad" : "");

export const moment = (iso) => (iso ? iso.slice(0, 16).replace("T", " ") : "–");
export const short = (iso) => (iso ? iso.slice(5, 16).replace("T", " ") : "–");

export function ago(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
