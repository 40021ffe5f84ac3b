// Writing numbers and times. Amounts arrive as text, exact; here they are only shown.
const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const plain = new Intl.NumberFormat("en-US", { maximumFractionDigits: 8 });
const small = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumSignificantDigits: 6 });
const NONE = "–";
const missing = (text) => text === null || text === undefined;

export const amount = (text) => (missing(text) ? NONE : money.format(Number(text)));
export const quantity = (text) => (missing(text) ? NONE : plain.format(Number(text)));
export const percent = (value) => `${(value * 100).toFixed(2)} %`;
export const base = (symbol) => symbol.split("/")[0];

// The price of a coin may be far below a cent: never fewer than six digits that count.
export function price(text) {
  if (missing(text)) return NONE;
  const value = Number(text);
  return Math.abs(value) >= 100 || value === 0 ? money.format(value) : small.format(value);
}

// What is shown as nothing is nothing: neither a gain nor a loss.
const cents = (text) => Math.round(Number(text) * 100);

export function signed(text) {
  const value = cents(text);
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${money.format(Math.abs(value) / 100)}`;
}

export const tone = (text) => (cents(text) > 0 ? "good" : cents(text) < 0 ? "bad" : "");

const stamp = (iso, from, to) => (iso ? iso.slice(from, to).replace("T", " ") : NONE);
export const moment = (iso) => stamp(iso, 0, 16);
export const second = (iso) => stamp(iso, 0, 19);
export const short = (iso) => stamp(iso, 5, 16);
export const local = (iso) => (iso ? `${new Date(iso).toLocaleString()} local time` : "");

export function ago(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${(whole / 3600).toFixed(1)} h`;
  return `${Math.round(whole / 86400)} days`;
}

export function countdown(seconds) {
  if (seconds >= 600) return ago(seconds);
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
}
