// What an edit of rules does, in words. Rules are as the API shows them, the default
// one last.

export const isDefault = (r) => r.name === "default";

const all = (list) => list.length ? list.join(" ") : "all";
const percent = (p) => p + " %";
const named = (list, name) => list.find((r) => r.name === name);
const known = (list, others) => list.filter((r) => named(others, r.name)).map((r) => r.name);

const fields = [
  ["mode", "mode", String], ["percent", "percent", percent], ["verify_percent", "verify", percent],
  ["features", "features", all], ["entities", "entities", all],
];

function changesOf(was, now) {
  return fields.map(([key, word, say]) => [word, say(was[key]), say(now[key])])
    .filter(([, from, to]) => from !== to).map(([word, from, to]) => `${word} from ${from} to ${to}`);
}

// difference names each change between two lists of rules.
export function difference(before, after) {
  const told = before.filter((r) => !named(after, r.name)).map((r) => r.name + " taken away");
  for (const r of after) {
    const was = named(before, r.name);
    if (!was) told.push(`${r.name || "a rule without a name"} added: ${fields.map(([key, word, say]) => word + " " + say(r[key])).join(", ")}`);
    else if (changesOf(was, r).length) told.push(`${r.name}: ${changesOf(was, r).join(", ")}`);
  }
  if (known(before, after).join("\n") !== known(after, before).join("\n")) told.push("the order is " + after.map((r) => r.name).join(", "));
  return told;
}

// effect tells whether more or fewer reads may be answered from memory. What a rule
// in another mode than live takes is taken from rules behind it, so less of it is
// more.
export function effect(before, after) {
  const off = (list) => list.at(-1).mode === "off", live = (list) => !off(list) && list.some((r) => r.mode === "live");
  if (off(before) || off(after)) return { more: off(before) && live(after), fewer: off(after) && live(before) };
  let more = false, fewer = false;
  const takes = (r, further) => { if ((r.mode === "live") === further) more = true; else fewer = true; };
  for (const r of before) if (!named(after, r.name)) takes(r, false);
  for (const r of after) {
    const was = named(before, r.name);
    if (!was) takes(r, true);
    else {
      if (was.mode !== r.mode && (was.mode === "live" || r.mode === "live")) takes(r, true);
      if (was.percent !== r.percent) takes(r, r.percent > was.percent);
      if (all(was.features) !== all(r.features) || all(was.entities) !== all(r.entities)) more = fewer = true;
    }
  }
  if (known(before, after).join("\n") !== known(after, before).join("\n")) more = fewer = true;
  return { more, fewer };
}

export function effectWords({ more, fewer }) {
  if (more) return "More reads may be answered from memory." + (fewer ? " Others may go to the store again." : "");
  return fewer ? "Fewer reads will be answered from memory: the store gets them." : "The same reads are answered from memory.";
}
