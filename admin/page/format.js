// How figures are written for people. Each takes undefined for "not known".

const none = "–";

function scaled(x, step, units, digits = 3) {
  let i = 0;
  while (Math.abs(x) >= step * 0.9995 && i < units.length - 1) { x /= step; i++; }
  return [Number(x.toPrecision(digits)).toLocaleString("en", { maximumSignificantDigits: digits }), units[i]];
}

export function count(x) {
  if (x === undefined || x === null) return none;
  if (Math.abs(x) < 1000) return String(Math.round(x));
  const [n, unit] = scaled(x, 1000, ["", "k", "M", "G", "T"]);
  return n + (unit && " " + unit);
}

export function rate(x) {
  if (x === undefined || x === null) return none;
  const [n, unit] = scaled(x, 1000, ["", "k", "M", "G"]);
  return n + (unit && " " + unit) + "/s";
}

// Near one, what is missing to one is what matters.
export function percent(x) {
  if (x === undefined || x === null) return none;
  const p = 100 * x;
  const digits = p >= 99.9 && p < 100 ? 3 : p >= 99 && p < 100 ? 2 : 1;
  return p.toFixed(p === 0 || p === 100 ? 0 : digits) + " %";
}

export function bytes(x) {
  if (x === undefined || x === null) return none;
  return scaled(x, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]).join(" ");
}

// Of a latency: microseconds to seconds.
export function latency(x) {
  if (x === undefined || x === null) return none;
  if (x >= 0.9995) return Number(x.toPrecision(3)) + " s";
  return x >= 0.0009995 ? Number((x * 1e3).toPrecision(3)) + " ms" : Number((x * 1e6).toPrecision(3)) + " µs";
}

// Of a time that passes: seconds to days.
export function duration(x) {
  if (x === undefined || x === null) return none;
  if (x < 1) return Math.round(x * 1000) + " ms";
  if (x < 60) return Number(x.toPrecision(x < 10 ? 2 : 3)) + " s";
  const s = Math.round(x), parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const first = parts.findIndex(([n]) => s >= n);
  return parts.slice(first, first + 2).map(([n, u], i) => Math.floor((i ? s % parts[first][0] : s) / n) + " " + u).join(" ");
}

export function cores(x) {
  return x === undefined || x === null ? none : x.toFixed(2);
}
