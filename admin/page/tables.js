// The tables of the page.

import { Table } from "./table.js";
import { count, percent, bytes, latency, duration } from "./format.js";

const field = { key: "field", label: "Feature", className: "key", value: (r) => r.name || r.field, sub: (r) => r.name ? r.field : "" };

export const features = new Table({
  id: "features", title: "Features", empty: "Nobody has asked for a feature yet.", rowKey: (r) => r.field,
  columns: [
    field,
    { key: "asked", label: "Asked", num: true, value: (r) => r.hits + r.misses, show: (r) => count(r.hits + r.misses) },
    { key: "hit_rate", label: "From memory", num: true, show: (r) => percent(r.hit_rate) },
    { key: "misses", label: "Fetched", num: true, show: (r) => count(r.misses) },
    { key: "values", label: "Held ≈", num: true, show: (r) => count(r.values) },
    { key: "bytes", label: "Bytes ≈", num: true, show: (r) => bytes(r.bytes) },
    { key: "oldest_seconds", label: "Oldest ≈", num: true, show: (r) => duration(r.oldest_seconds) },
    { key: "invalidated_seconds", label: "Invalidated", num: true, show: (r) => r.invalidated_seconds === undefined ? "never" : duration(r.invalidated_seconds) + " ago" },
    {
      key: "state", label: "State",
      value: (r) => r.suspended ? "suspended" : r.kept ? "kept" : "never kept",
      tag: (r) => r.suspended ? "degraded" : r.kept ? "ok" : "plain",
    },
    { key: "undecoded", label: "Not decoded", num: true, show: (r) => count(r.undecoded), tag: (r) => r.undecoded ? "degraded" : "" },
    { key: "rule", label: "Rule" },
  ],
});
features.sort = { column: features.columns[1], order: -1 };

export const fetchers = new Table({
  id: "fetchers", title: "Fetchers", empty: "The store was not found yet.", rowKey: (r) => r.address,
  columns: [
    { key: "address", label: "Fetcher", className: "key", sub: (r) => [r.zone, r.why].filter(Boolean).join(": ") },
    { key: "shards", label: "Shard", value: (r) => r.shards[0], show: (r) => r.shards.join(", ") || "none" },
    { key: "state", label: "State", tag: (r) => ({ serving: "ok", down: "failing" })[r.state] ?? "degraded" },
    { key: "rate", label: "Fetches a second", num: true, show: (r) => count(r.rate) },
    { key: "latency", label: "Latency", num: true, show: (r) => latency(r.latency_seconds) },
    { key: "outstanding", label: "In flight", num: true, show: (r) => count(r.outstanding) },
    { key: "fetches", label: "Fetches", num: true, show: (r) => count(r.fetches) },
    { key: "errors", label: "Errors", num: true, show: (r) => count(r.errors) },
    { key: "timeouts", label: "Time-outs", num: true, show: (r) => count(r.timeouts) },
    { key: "ejections", label: "Set aside", num: true, show: (r) => count(r.ejections) },
  ],
});

export const sources = new Table({
  id: "sources", title: "Sources", empty: "No source tells of new values: they are served until their maximum age. Markers, Kafka and tracking are set below invalidation.",
  rowKey: (r) => r.kind + " " + r.name,
  columns: [
    { key: "name", label: "Source", className: "key", sub: (r) => r.error ?? "" },
    { key: "kind", label: "Kind" },
    { key: "state", label: "State", tag: (r) => r.state === "trusted" ? "ok" : "degraded" },
    { key: "lag_seconds", label: "Lag", num: true, show: (r) => duration(r.lag_seconds) },
    { key: "lag_records", label: "Records behind", num: true, show: (r) => count(r.lag_records) },
    { key: "last_heard_seconds", label: "Last heard", num: true, show: (r) => r.last_heard_seconds === undefined ? "never" : duration(r.last_heard_seconds) + " ago" },
    { key: "told", label: "Invalidations", num: true, value: (r) => Object.values(r.invalidations).reduce((a, b) => a + b, 0), show: (r) => count(Object.values(r.invalidations).reduce((a, b) => a + b, 0)) },
    { key: "gaps", label: "Gaps", num: true },
    { key: "on_loss", label: "On loss" },
    { key: "covers", label: "Covers", className: "long", value: (r) => r.covers.join(", ") },
  ],
});

const kinds = { dry_run: "dry run", verify: "verification", shadow: "second store" };
const words = (name) => name.replaceAll("_", " ");

export const differences = new Table({
  id: "differences", title: "Differences", empty: "No difference between memory and store was seen. Dry run and verification look for them.",
  rowKey: (r, i) => r.time + r.entity + r.feature + i,
  columns: [
    { key: "time", label: "Time", show: (r) => new Date(r.time).toLocaleTimeString(), sub: (r) => kinds[r.kind] ?? r.kind },
    { key: "class", label: "Class", show: (r) => words(r.class), tag: (r) => r.class === "wrong" ? "failing" : r.class === "spelling" ? "plain" : "degraded" },
    { key: "entity", label: "Entity", className: "key" },
    { key: "feature", label: "Feature", className: "key", value: (r) => r.name || r.feature, sub: (r) => r.name ? r.feature : "" },
    { key: "age_seconds", label: "Age in memory", num: true, show: (r) => duration(r.age_seconds) },
    { key: "lasted_seconds", label: "Lasted", num: true, show: (r) => r.lasted_seconds ? duration(r.lasted_seconds) : "at once", sub: (r) => r.times > 1 ? `seen ${count(r.times)} times` : "" },
    { key: "source", label: "Should have told", className: "key", value: (r) => r.source ?? "" },
    { key: "cached", label: "Memory had", className: "key", value: (r) => r.cached ?? r.cached_hash },
    { key: "stored", label: "The store has", className: "key", value: (r) => r.stored ?? r.stored_hash, sub: (r) => r.fetcher ?? "" },
  ],
});
differences.sort = { column: differences.columns[0], order: -1 };

export const options = new Table({
  id: "options", title: "Configuration", empty: "", rowKey: (r) => r.key,
  columns: [
    { key: "key", label: "Option", className: "key", sub: (r) => r.meaning },
    { key: "value", label: "Value", className: "key", show: (r) => r.value || "empty" },
    { key: "origin", label: "From", className: "long", tag: (r) => r.origin === "default" ? "plain" : "" },
    { key: "reloadable", label: "Changes", value: (r) => r.waiting ? "waits for a restart" : r.reloadable ? "at run time" : "at a restart", tag: (r) => r.waiting ? "degraded" : "" },
  ],
});
options.sort = { column: { key: "none", value: () => 0 }, order: 1 }; // as the table of options has them

export const changes = new Table({
  id: "changes", title: "Changes", empty: "Nothing was changed through the API since the process started.", rowKey: (r, i) => r.time + i,
  columns: [
    { key: "time", label: "Time", show: (r) => new Date(r.time).toLocaleString() },
    { key: "what", label: "What", className: "long" },
    { key: "by", label: "By", className: "long" },
    { key: "from", label: "From", className: "key" },
  ],
});
changes.sort = { column: changes.columns[0], order: -1 };

export const held = () => new Table({
  id: "held", title: "What is held", empty: "Nothing is held.", rowKey: (r) => r.form === "stored" ? r.field : r.field + " " + r.form,
  columns: [
    field,
    { key: "missing", label: "Value", value: (r) => r.missing ? -1 : r.bytes, show: (r) => r.missing ? "the store has none" : bytes(r.bytes) + (r.form === "stored" ? "" : ", " + r.form) },
    { key: "age_seconds", label: "Age", num: true, show: (r) => duration(r.age_seconds) },
    { key: "why", label: "Would be", show: (r) => r.served ? "served" : "fetched", tag: (r) => r.served ? "ok" : "degraded", sub: (r) => r.served ? "" : r.why },
  ],
});
