// The table of rules, in which each can be changed.

import { Table } from "./table.js";
import { count } from "./format.js";
import { confirmed, change } from "./controls.js";

const isDefault = (r) => r.name === "default";
const all = (list) => list.length ? list.join(", ") : "all";
const compared = (key, label, tag) => ({
  key, label, num: true, value: (r) => r.compared?.[key], show: (r) => count(r.compared?.[key]), tag: (r) => r.compared?.[key] ? tag : "",
});

let mayChange = false;

// An editor holds what the person has chosen for a rule, until it is set or the
// rule is shown anew.
class Editor {
  constructor(line) {
    this.line = line;
    this.fields = {};
  }

  get rule() { return this.line.shows; }

  // add makes a field of a rule's key; of is the unit that is told.
  add(key, element, of) {
    this.fields[key] = { element, of };
    element.addEventListener("input", () => this.mark());
    element.addEventListener("keydown", (e) => {
      if (e.key === "Enter") {
        e.preventDefault(); // or it would answer the question that it brings up
        if (!this.set.disabled) this.apply();
      }
      if (e.key === "Escape") this.show();
    });
    return { nodes: [element], show: () => this.showField(key) };
  }

  showField(key) {
    const { element } = this.fields[key];
    const value = String(this.rule[key]);
    // What the person has changed stays until it is set.
    if (element.dataset.was !== value && (element.dataset.was === undefined || element.value === element.dataset.was)) element.value = value;
    element.dataset.was = value;
    element.hidden = isDefault(this.rule) && key !== "mode";
    element.disabled = !mayChange;
    const label = `${{ mode: "Mode", percent: "Percent of entities", verify_percent: "Percent verified" }[key]} of rule ${this.rule.name}`;
    if (element.ariaLabel !== label) element.ariaLabel = label;
    this.mark();
  }

  show() {
    for (const { element } of Object.values(this.fields)) element.value = element.dataset.was;
    this.mark();
  }

  changed() { return Object.entries(this.fields).filter(([, { element }]) => element.value !== element.dataset.was); }

  mark() {
    if (!this.set) return;
    const changed = this.changed();
    for (const { element } of Object.values(this.fields)) element.classList.toggle("changed", changed.some(([, f]) => f.element === element));
    this.set.disabled = !mayChange || !changed.length;
    this.set.ariaLabel = `Set what was changed of rule ${this.rule.name}`;
  }

  async apply() {
    const { name } = this.rule, edit = { name }, told = [];
    for (const [key, { element, of }] of this.changed()) {
      if (!element.reportValidity()) return;
      edit[key] = key === "mode" ? element.value : Number(element.value);
      told.push(`${key === "verify_percent" ? "verify" : key} from ${element.dataset.was}${of} to ${element.value}${of}`);
    }
    if (!await confirmed(`Change rule ${name}: ${told.join(", ")}?`)) return;
    const done = await change("rule", edit, (list) => {
      rules.update(placed(list));
      return `Rule ${name}: ${told.join(", ")}.`;
    }, outcome);
    if (done) this.show();
  }
}

function editor(line) { return line.editor ??= new Editor(line); }

function modes(line) {
  const select = document.createElement("select");
  select.append(...["off", "dry-run", "live"].map((m) => new Option(m, m)));
  return editor(line).add("mode", select, "");
}

const percent = (key) => (line) => {
  const input = Object.assign(document.createElement("input"), { type: "number", min: 0, max: 100, step: "any", required: true, className: "percent" });
  return editor(line).add(key, input, " %");
};

function setter(line) {
  const e = editor(line);
  e.set = Object.assign(document.createElement("button"), { type: "button", textContent: "Set", disabled: true });
  e.set.addEventListener("click", () => e.apply());
  return { nodes: [e.set], show: () => e.mark() };
}

export const rules = new Table({
  id: "rules", title: "Rules", empty: "", rowKey: (r) => r.name,
  columns: [
    { key: "place", label: "#", num: true },
    { key: "name", label: "Rule", className: "key", sub: (r) => isDefault(r) ? "what no other takes" : "" },
    { key: "features", label: "Features", className: "key", value: (r) => all(r.features), sub: (r) => r.entities.length ? "entities " + all(r.entities) : "" },
    { key: "mode", label: "Mode", edit: modes },
    { key: "percent", label: "% of entities", edit: percent("percent") },
    { key: "verify_percent", label: "% verified", edit: percent("verify_percent") },
    { key: "set", label: "", edit: setter },
    compared("match", "Match", ""),
    compared("stale_within_promise", "Stale", "degraded"),
    compared("replica_noise", "Noise", "degraded"),
    compared("wrong", "Wrong", "failing"),
  ],
});

const note = Object.assign(document.createElement("p"), { className: "faint foot", id: "rules-note" });
const outcome = Object.assign(document.createElement("p"), { className: "outcome", id: "rules-outcome" });
outcome.setAttribute("role", "status");
rules.panel.append(outcome, note);

const placed = (list) => list.map((r, i) => ({ ...r, place: i + 1 }));

export function show(list) { rules.update(placed(list)); }

// told says what holds of all rules.
export function told(status) {
  note.textContent = (status.mode === "off" ? "Mode is off: every read is forwarded, whatever the rules say. " : "The first that takes a feature of an entity decides. ") +
    (status.set_by_hand ? "Mode or rules were set by hand: they are not those of the configuration, and last until the process ends." : "These are the rules of the configuration.") +
    " Others are put in their place with fsproxy ctl rules set.";
}

export function access(a) {
  mayChange = a.change || a.token;
  rules.draw();
}
