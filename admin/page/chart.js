// A line chart of the last minutes, drawn as SVG.

const ns = "http://www.w3.org/2000/svg";
const height = 132, top = 8, bottom = 18, left = 58, right = 6;
const usualGap = 2500; // ms between samples from which on the line is broken

function svg(name, attributes) {
  const e = document.createElementNS(ns, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
}

function html(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text) e.textContent = text;
  return e;
}

// ticks are two to four round values from least to most.
function ticks(least, most, binary) {
  const span = most - least || Math.abs(most) || 1;
  const base = binary ? 1024 ** Math.floor(Math.log(span) / Math.log(1024)) : 1;
  const raw = span / base / 4, power = 10 ** Math.floor(Math.log10(raw));
  const step = base * power * [1, 2, 2.5, 5, 10].find((m) => power * m >= raw);
  const values = [];
  for (let v = Math.ceil(least / step - 1e-9) * step; v <= most + step * 1e-6; v += step) values.push(v);
  return values;
}

export class Chart {
  // series: {key, label, color}; the first is filled. binary: of bytes. gap: how far
  // apart figures may be, in ms, that belong together.
  constructor(parent, { title, series, format, floor = 0, ceiling, binary, empty, gap = usualGap }, onCursor) {
    Object.assign(this, { title, series, format, floor, ceiling, binary, empty, gap, samples: [], span: 300000 });
    const card = this.card = html("figure", "chart");
    card.style.margin = 0;
    card.append(html("h3", "", title));
    this.legend = html("div", "legend");
    this.values = series.map(({ label, color }) => {
      const item = html("span", color), value = html("b");
      item.append(html("i"), label + " ", value);
      this.legend.append(item);
      return value;
    });
    this.root = svg("svg", { tabindex: 0, role: "img" });
    card.append(this.legend, this.root);
    parent.append(card);
    const move = (time) => onCursor(time);
    this.root.addEventListener("pointermove", (e) => move(this.timeAt(e.offsetX)));
    this.root.addEventListener("pointerleave", () => move(undefined));
    this.root.addEventListener("blur", () => move(undefined));
    this.root.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
      if (!step || !this.samples.length) return;
      e.preventDefault();
      const at = this.cursor === undefined ? this.samples.length : this.indexAt(this.cursor);
      move(this.samples[Math.max(0, Math.min(this.samples.length - 1, at + step * (e.shiftKey ? 10 : 1)))].time);
    });
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  timeAt(x) { return this.end - this.span + (x - left) / (this.width - left - right) * this.span; }

  indexAt(time) {
    let best = 0;
    this.samples.forEach((s, i) => { if (Math.abs(s.time - time) < Math.abs(this.samples[best].time - time)) best = i; });
    return best;
  }

  update(samples, span, end) {
    this.span = span;
    this.end = end;
    this.samples = samples.filter((s) => s.time >= end - span);
    this.draw();
  }

  point(time) {
    this.cursor = time;
    this.draw();
  }

  range() {
    let least = this.floor, most = -Infinity;
    for (const s of this.samples) for (const { key } of this.series) if (s[key] !== undefined) most = Math.max(most, s[key]);
    if (this.ceiling !== undefined) {
      // Of a share that is near its ceiling, the part where something happens.
      let lowest = this.ceiling;
      for (const s of this.samples) for (const { key } of this.series) if (s[key] !== undefined) lowest = Math.min(lowest, s[key]);
      const room = this.ceiling - lowest;
      least = [0.001, 0.01, 0.1, 0.25, 0.5].map((r) => this.ceiling - r).find((l) => room <= (this.ceiling - l) * 0.95) ?? this.floor;
      most = this.ceiling;
    }
    if (!(most > least)) most = least + 1;
    return [least, this.ceiling ?? most * 1.06];
  }

  draw() {
    this.width = this.root.clientWidth;
    if (!this.width) return;
    if (!this.samples.some((s) => this.series.some(({ key }) => s[key] !== undefined))) return this.blank();
    const [least, most] = this.range();
    const x = (t) => left + (t - this.end + this.span) / this.span * (this.width - left - right);
    const y = (v) => top + (most - v) / (most - least) * (height - top - bottom);
    const parts = [];
    for (const v of ticks(least, most, this.binary)) {
      parts.push(svg("line", { class: "grid", x1: left, x2: this.width - right, y1: y(v), y2: y(v) }));
      const label = svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" });
      label.textContent = this.format(v).replace("/s", "");
      parts.push(label);
    }
    const minutes = this.span / 60000;
    for (const share of [0, 0.5]) {
      const label = svg("text", { x: x(this.end - this.span * (1 - share)), y: height - 3, "text-anchor": share ? "middle" : "start" });
      const ago = minutes * (1 - share);
      label.textContent = "−" + (ago < 1 ? ago * 60 + " s" : ago + " min");
      parts.push(label);
    }
    const now = svg("text", { x: this.width - right, y: height - 3, "text-anchor": "end" });
    now.textContent = "now";
    parts.push(now);
    this.series.forEach(({ key, color }, i) => parts.push(...this.line(key, color, i === 0, x, y, y(least))));
    const at = this.cursor !== undefined && this.samples.length ? this.samples[this.indexAt(this.cursor)] : undefined;
    if (at) parts.push(svg("line", { class: "cursor", x1: x(at.time), x2: x(at.time), y1: top, y2: height - bottom }));
    this.root.replaceChildren(...parts);
    const shown = this.shown(at);
    this.series.forEach(({ key }, i) => { this.values[i].textContent = this.format(shown[key]); });
    const words = this.series.map(({ label, key }) => label + " " + this.format(shown[key])).join(", ");
    this.root.setAttribute("aria-label", this.title + (at ? ", " + Math.round((this.end - at.time) / 1000) + " seconds ago: " : ", now: ") + words);
  }

  // shown are the figures of a sample (undefined: the last), those that it lacks from
  // shortly before it.
  shown(at = this.samples.at(-1)) {
    const known = {};
    for (const s of this.samples) if (s.time <= at.time && at.time - s.time <= this.gap) Object.assign(known, s);
    return known;
  }

  blank() {
    const text = svg("text", { class: "nothing", x: this.width / 2, y: height / 2, "text-anchor": "middle" });
    text.textContent = this.empty ?? "nothing to show yet";
    this.root.replaceChildren(text);
    this.root.setAttribute("aria-label", this.title + ": " + text.textContent);
    for (const value of this.values) value.textContent = "";
  }

  line(key, color, filled, x, y, base) {
    const runs = [];
    let run, last;
    for (const s of this.samples) {
      if (s[key] === undefined) continue;
      if (!run || s.time - last > this.gap) runs.push(run = []);
      run.push([x(s.time).toFixed(1), y(s[key]).toFixed(1)]);
      last = s.time;
    }
    if (!runs.length) return [];
    const d = runs.map((r) => "M" + r.map((p) => p.join(" ")).join("L") + (r.length === 1 ? "h.5" : "")).join("");
    const paths = [svg("path", { class: color, d })];
    if (filled) {
      const area = runs.map((r) => "M" + r[0][0] + " " + base + "L" + r.map((p) => p.join(" ")).join("L") + "L" + r.at(-1)[0] + " " + base + "Z").join("");
      paths.unshift(svg("path", { class: "area " + color, d: area }));
    }
    return paths;
  }
}
