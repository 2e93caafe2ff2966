// The page: what arrives from the process, and where it is shown.

import { get, follow } from "./api.js";
import { Chart } from "./chart.js";
import { tabs } from "./table.js";
import * as tables from "./tables.js";
import * as controls from "./controls.js";
import { rules } from "./rules.js";
import { count, rate, percent, bytes, latency, duration, cores } from "./format.js";

const $ = (id) => document.getElementById(id);
const kept = 600; // samples, as many as the process keeps
const shortest = 60000; // ms that a chart shows

let samples = [], status, charts, span = Number(localStorage.getItem("fsproxy-span")) || 300000;

const sparse = 20000; // ms: the latency of hits is sampled, and not there each second

// Tiles: what a person wants to know at a glance.

const tiles = [
  { id: "hit-rate", main: true, label: "Answered from memory", value: (s) => percent(s.now.hit_rate), note: (s) => `${percent(s.totals.hit_rate)} since the start` },
  { id: "avoided", main: true, label: "Store reads avoided", value: (s) => rate(s.now.hits), note: (s) => `${count(s.totals.reads_avoided)} since the start` },
  { id: "reads", label: "Reads", value: (s) => rate(s.now.reads), note: (s) => `of ${count(s.now.fields)} fields` },
  { id: "latency", label: "Latency of a hit", value: (s) => latency(s.now.hit_p50_seconds), note: (s) => `median; a miss: ${latency(s.now.miss_p50_seconds)}` },
  { id: "cpu", label: "CPU cores", value: (s) => cores(s.now.cpu), note: (s) => s.now.reads ? `${latency(s.now.cpu / s.now.reads)} a read` : "idle" },
  { id: "memory", label: "Cache", value: (s) => bytes(s.memory.cache_bytes), meter: (s) => s.memory.cache_bytes / s.memory.cache_max_bytes, note: (s) => `of ${bytes(s.memory.cache_max_bytes)}, ${count(s.memory.rows)} rows` },
];

// What mode live would bring, and what was found: shown once something was compared.
const projected = [
  { id: "projected-rate", main: true, label: "Live would answer", value: (c) => percent(c.projected?.hit_rate), note: () => "of fields, from memory" },
  { id: "projected-avoided", main: true, label: "Live would spare", value: (c) => percent(c.projected?.reads_avoided), note: (c) => `of ${count(c.projected?.reads)} store reads` },
  { id: "projected-memory", label: "Live would hold", value: (c) => bytes(c.projected?.cache_bytes), note: () => `of ${bytes(status.memory.cache_max_bytes)}` },
];
const found = [
  { id: "matched", label: "Compared, the same", value: (c) => count(c.compared.match + c.compared.spelling), note: (c) => `${count(c.dropped)} not compared` },
  { id: "differing", label: "Stale or noise", value: (c) => count(c.compared.stale_within_promise + c.compared.replica_noise), note: () => "within the promise" },
  { id: "wrong", label: "Wrong", value: (c) => count(c.compared.wrong), note: (c) => c.compared.wrong ? "see the differences" : "none so far", to: () => tables.differences, bad: (c) => c.compared.wrong > 0 },
];

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

// What came of asking a second store: shown where there is one.
const second = [
  { id: "shadow", label: "Second store differs", value: (s) => count(s.compared.wrong), note: (s) => `of ${count(sum(s.compared))} compared, ${s.percent} % of fetches`, to: () => tables.differences, bad: (s) => s.compared.wrong > 0 },
];

function addTile(tile, parent) {
  const div = Object.assign(document.createElement("div"), { className: tile.main ? "tile main" : "tile", id: "tile-" + tile.id });
  tile.out = Object.assign(document.createElement("dd"), { className: "value", textContent: "–" });
  tile.small = Object.assign(document.createElement("dd"), { className: "note", textContent: "\u00a0" });
  div.append(Object.assign(document.createElement("dt"), { textContent: tile.label }), tile.out);
  if (tile.meter) {
    const meter = Object.assign(document.createElement("dd"), { className: "meter" });
    meter.append(tile.bar = document.createElement("i"));
    div.append(meter);
  }
  div.append(tile.small);
  if (tile.to) {
    const go = Object.assign(document.createElement("button"), { type: "button", className: "note" });
    go.addEventListener("click", () => {
      tab.show(tile.to());
      $("tables").scrollIntoView();
      $("tables").focus();
    });
    tile.small.replaceChildren(go);
    tile.small = go;
  }
  parent.append(div);
  tile.div = div;
}
for (const tile of tiles) addTile(tile, $("tiles"));
const comparisons = [...projected, ...found, ...second];
for (const tile of comparisons) addTile(tile, $("compared"));

function showComparison(c, shadow) {
  $("compared").hidden = !c && !shadow;
  for (const tile of comparisons) {
    const of = second.includes(tile) ? shadow : c;
    tile.div.hidden = !of || projected.includes(tile) && !c.projected?.dry_run;
    if (tile.div.hidden) continue;
    tile.out.textContent = tile.value(of);
    tile.small.textContent = tile.note(of);
    if (tile.bad) tile.div.classList.toggle("bad", tile.bad(of));
  }
}

function set(id, text, className) {
  const e = $(id);
  if (e.textContent !== text) e.textContent = text;
  if (className !== undefined && e.className !== className) e.className = className;
}

function sentence(text) { return text.charAt(0).toUpperCase() + text.slice(1) + "."; }

// coded is text with what stands between backticks as code.
function coded(text) {
  return text.split("`").map((part, i) => i % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part);
}

function showStatus(s) {
  status = s;
  for (const tile of tiles) {
    tile.out.textContent = tile.value(s);
    tile.small.textContent = tile.note(s);
    if (tile.bar) tile.bar.style.width = Math.min(100, 100 * tile.meter(s)) + "%";
  }
  set("host", s.host);
  set("version", s.build.version);
  set("mode", "mode " + s.mode, "pill " + (s.mode === "live" ? "ok" : "degraded"));
  set("health", { ok: "healthy", degraded: "needs a look", failing: "failing" }[s.health], "pill " + s.health);
  set("uptime", `up ${duration(s.uptime_seconds)}; ${count(s.connections.open)} clients; ${bytes(s.memory.resident_bytes)} resident`);
  document.title = (s.health === "ok" ? "" : "⚠ ") + s.host + " – fsproxy";
  const problems = s.problems.map((p) => p.what + "\n" + p.do).join("\n\n");
  if ($("problems").dataset.now !== problems) {
    $("problems").dataset.now = problems;
    $("problems").replaceChildren(...s.problems.map((p) => {
      const line = Object.assign(document.createElement("p"), { className: "problem " + p.health });
      line.append(Object.assign(document.createElement("b"), { textContent: sentence(p.what) }), " ", ...coded(sentence(p.do)));
      return line;
    }));
  }
  controls.mode(s.mode);
  showComparison(s.comparison, s.shadow);
  controls.shadow(s.shadow);
  rules.told(s);
  tab.count(rules, s.rules);
}

// Charts.

function pointAll(time) { for (const c of charts) c.point(time); }

const chart = (spec) => new Chart($("charts"), spec, pointAll);
charts = [
  { title: "Answered from memory, of fields", series: [{ key: "hit_rate", label: "hit rate", color: "teal" }], format: percent, ceiling: 1 },
  { title: "Throughput", series: [{ key: "reads", label: "reads", color: "blue" }, { key: "hits", label: "from memory", color: "teal" }, { key: "fetches", label: "fetches", color: "amber" }, { key: "errors", label: "errors", color: "red" }], format: rate },
  { title: "Latency of a hit", series: [{ key: "hit_p99_seconds", label: "99 %", color: "blue" }, { key: "hit_p50_seconds", label: "median", color: "teal" }], format: latency, gap: sparse },
  { title: "Latency of a miss", series: [{ key: "miss_p99_seconds", label: "99 %", color: "amber" }, { key: "miss_p50_seconds", label: "median", color: "teal" }], format: latency, gap: sparse },
  { title: "Memory", series: [{ key: "resident_bytes", label: "process", color: "blue" }, { key: "cache_bytes", label: "rows", color: "teal" }], format: bytes, binary: true },
].map(chart);
// The sixth is the lag where there is a source that can lag.
let last = chart({ title: "CPU", series: [{ key: "cpu", label: "cores", color: "blue" }], format: cores }), lagging = false;
charts.push(last);

function draw() {
  if (!lagging && samples.some((s) => s.lag_seconds !== undefined)) {
    lagging = true;
    last.card.remove();
    charts[charts.length - 1] = last = chart({ title: "Lag of the source furthest behind", series: [{ key: "lag_seconds", label: "lag", color: "amber" }], format: duration });
  }
  const end = samples.at(-1)?.time;
  if (!end || document.hidden) return;
  // What a young process does shows from side to side.
  const shown = Math.min(span, Math.max(shortest, Math.ceil((end - samples[0].time) / shortest) * shortest));
  for (const chart of charts) chart.update(samples, shown, end);
}

const showSpan = controls.radios($("window"), [{ value: 60000, label: "1" }, { value: 300000, label: "5" }, { value: 600000, label: "10 min" }], (value) => {
  span = Number(value);
  localStorage.setItem("fsproxy-span", span);
  showSpan(span);
  draw();
});
showSpan(span);

// Tables.

const all = [tables.features, tables.fetchers, tables.sources, rules, tables.differences, tables.options, tables.changes];
let showing, ready = false;
const tab = tabs(all, $("tabs"), $("panels"), (table) => {
  showing = table;
  if (ready) {
    $("search").value = table.search;
    refresh();
  }
});
ready = true;
let pause;
$("search").addEventListener("input", () => {
  showing.find($("search").value);
  clearTimeout(pause);
  pause = setTimeout(refresh, 200); // the process knows more features than are here
});
document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
  e.preventDefault();
  $("search").focus();
});

// refresh asks for the table that shows, where it does not come with the events.
async function refresh() {
  try {
    if (showing === tables.features) {
      const found = await get("features?" + new URLSearchParams({ limit: 1000, match: showing.search }));
      tables.features.update(found.features, found.matched);
      tab.count(tables.features, count(found.total));
    }
    if (showing === tables.differences) {
      tables.differences.update(await get("differences?limit=300"));
    }
    if (showing === rules) await rules.refresh();
    if (showing === tables.options) tables.options.update((await get("config")).options);
    await controls.hottest();
  } catch {
    // The state of the stream tells that the process cannot be asked.
  }
}

let fetchersBefore = {};
function showTopology(t) {
  const now = performance.now();
  for (const f of t.fetchers) {
    const before = fetchersBefore[f.address];
    f.rate = before && now > before.at ? Math.max(0, 1000 * (f.fetches - before.fetches) / (now - before.at)) : undefined;
  }
  fetchersBefore = Object.fromEntries(t.fetchers.map((f) => [f.address, { at: now, fetches: f.fetches }]));
  tables.fetchers.update(t.fetchers);
  tab.count(tables.fetchers, t.fetchers.length);
}

// Events.

const hear = {
  access(a) {
    controls.access(a);
    rules.access(a);
  },
  status: showStatus,
  topology: showTopology,
  history(h) {
    // After a restart the process knows nothing of before, and the page does.
    const first = h.samples[0]?.time ?? Infinity;
    samples = [...samples.filter((s) => s.time < first), ...h.samples].slice(-kept);
    draw();
  },
  sample(s) {
    samples = [...samples, s].slice(-kept);
    draw();
  },
  sources(list) {
    tables.sources.update(list);
    tab.count(tables.sources, list.length);
  },
  changes(list) {
    tables.changes.update(list);
    tab.count(tables.changes, list.length);
  },
};

function showStream(state) {
  set("live", state === "live" ? "updating" : state, "pill " + (state === "live" ? "on" : "degraded"));
  $("live").title = state === "live" ? "figures come as they are taken" : "what is shown is the last that was heard";
  if (state === "live") refresh();
}

// Colours.

const themes = ["system", "light", "dark"];
function theme(chosen) {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  localStorage.setItem("fsproxy-theme", chosen);
  $("theme").setAttribute("aria-label", "Colours: " + (chosen === "system" ? "as the system has them" : chosen));
  $("theme").textContent = { system: "◐", light: "○", dark: "●" }[chosen];
}
let chosen = themes.includes(localStorage.getItem("fsproxy-theme")) ? localStorage.getItem("fsproxy-theme") : "system";
theme(chosen);
$("theme").addEventListener("click", () => theme(chosen = themes[(themes.indexOf(chosen) + 1) % themes.length]));

controls.setUp();
setInterval(() => { if (!document.hidden) refresh(); }, 4000);
follow((name, data) => hear[name]?.(data), showStream);
