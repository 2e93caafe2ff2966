// One rule of the list, and its fields.

import { count } from "./format.js";
import { isDefault } from "./rulewords.js";

function make(name, properties, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

// What is in force is read as it is; around what a person types, spaces mean nothing.
const lines = (text, was = []) => text.split("\n").map((t) => was.includes(t) ? t : t.trim()).filter(Boolean);
const range = "a number from 0 to 100, such as 0.1";
const number = () => make("input", { type: "number", min: 0, max: 100, step: "any", required: true });
const area = (placeholder) => make("textarea", { rows: 1, spellcheck: false, placeholder });

// kinds are the fields: how each is made, filled and read. What cannot be is told by
// wrong.
const kinds = [
  { key: "name", label: "Rule", make: () => make("input", { type: "text", autocomplete: "off", spellcheck: false }), write: String, read: (text, was) => text === was ? text : text.trim(), wrong: (e) => e.value.trim() ? "" : "empty; any text will do" },
  { key: "features", label: "Features", make: () => area("all; else one a line"), write: (list) => list.join("\n"), read: lines },
  { key: "entities", label: "Entities", make: () => area("all; else one a line"), write: (list) => list.join("\n"), read: lines },
  { key: "mode", label: "Mode", make: () => make("select", {}, ...["off", "dry-run", "live"].map((m) => new Option(m, m))), write: String, read: String },
  { key: "percent", label: "% of entities", make: number, write: String, read: Number, wrong: (e) => e.validity.valid ? "" : range },
  { key: "verify_percent", label: "% verified", make: number, write: String, read: Number, wrong: (e) => e.validity.valid ? "" : range },
];

const mostRows = 8; // of a text that is not scrolled
let made = 0;

// RuleItem is a rule as the person has it. Was is the rule in force of that name;
// undefined: it is a new one.
export class RuleItem {
  constructor(list) {
    this.id = "rule-" + made++;
    this.fields = {};
    this.place = make("span", { className: "place" });
    this.up = this.button("↑", () => list.move(this, -1));
    this.down = this.button("↓", () => list.move(this, 1));
    this.away = this.button("✕", () => list.remove(this));
    this.counts = make("p", { className: "faint counts" });
    this.root = make("li", { className: "rule" }, this.place, ...kinds.map((kind) => this.field(kind, list)),
      make("div", { className: "moves" }, this.up, this.down, this.away), this.counts);
    this.root.setAttribute("role", "group");
    this.root.addEventListener("keydown", (e) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[e.key];
      if (e.altKey && step) {
        e.preventDefault();
        list.move(this, step);
      }
    });
  }

  button(text, press) {
    const b = make("button", { type: "button", className: "plain", textContent: text });
    b.addEventListener("click", press);
    return b;
  }

  field(kind, list) {
    const id = this.id + "-" + kind.key, element = kind.make();
    const error = make("span", { className: "mistake", id: id + "-mistake", hidden: true });
    element.id = id;
    element.dataset.key = kind.key;
    element.addEventListener("input", () => {
      this.fail(kind.key, "");
      list.edited();
    });
    element.addEventListener("keydown", (e) => {
      const isArea = element.tagName === "TEXTAREA";
      if (e.key === "Enter" && (!isArea || e.ctrlKey || e.metaKey)) {
        e.preventDefault(); // or it would answer the question that it brings up
        list.apply();
      } else if (e.key === "Escape" && this.was) {
        element.value = kind.write(this.was[kind.key]);
        this.fail(kind.key, "");
        list.edited();
      }
    });
    const cell = make("div", { className: "field " + kind.key }, make("label", { htmlFor: id, textContent: kind.label }), element, error);
    this.fields[kind.key] = { kind, element, error, cell };
    return cell;
  }

  // show fills in a rule.
  show(rule, was) {
    this.was = was;
    for (const { kind, element, cell } of Object.values(this.fields)) {
      element.value = kind.write(rule[kind.key]);
      if (isDefault(rule)) cell.hidden = !["name", "mode"].includes(kind.key);
      this.fail(kind.key, "");
    }
    this.last = isDefault(rule);
    if (this.last) {
      this.fields.name.element.readOnly = true;
      this.root.classList.add("last");
      this.away.parentElement.hidden = true;
      this.fields.name.cell.firstChild.textContent = "What no rule takes";
    }
  }

  // rule is what the fields say.
  get rule() {
    return Object.fromEntries(Object.entries(this.fields).map(([key, { kind, element }]) => [key, kind.read(element.value, this.was?.[key])]));
  }

  // check tells whether the fields can be read, and says at those that cannot why.
  check() {
    let fine = true;
    for (const { kind, element } of Object.values(this.fields)) {
      const wrong = this.last ? "" : kind.wrong?.(element) ?? "";
      this.fail(kind.key, wrong);
      fine &&= !wrong;
    }
    return fine;
  }

  // fail says at a field what is wrong with it; "": nothing.
  fail(key, what) {
    const { element, error } = this.fields[key] ?? this.fields.name;
    error.textContent = what;
    error.hidden = !what;
    element.ariaInvalid = what ? "true" : null;
    if (what) element.setAttribute("aria-describedby", error.id);
    else element.removeAttribute("aria-describedby");
  }

  // draw shows where the rule is, what was changed of it and what came of it.
  draw(at, rules, inForce) {
    const name = this.fields.name.element.value || "without a name";
    this.place.textContent = at + 1;
    this.root.ariaLabel = `Rule ${name}, ${at + 1} of ${rules}`;
    this.up.disabled = at === 0;
    this.down.disabled = at >= rules - 2; // the default one ends the list
    for (const [button, word] of [[this.up, "up"], [this.down, "down"]]) button.ariaLabel = button.title = `Move rule ${name} ${word}`;
    this.away.ariaLabel = this.away.title = `Take rule ${name} away`;
    this.root.classList.toggle("new", !this.was);
    for (const { kind, element } of Object.values(this.fields)) {
      element.classList.toggle("changed", !this.was || element.value !== kind.write(this.was[kind.key]));
      if (element.tagName === "TEXTAREA") element.rows = Math.min(mostRows, Math.max(1, element.value.split("\n").length));
    }
    const c = inForce?.compared;
    this.counts.classList.toggle("bad", c?.wrong > 0);
    this.counts.textContent = c
      ? `Compared: ${count(c.match + c.spelling)} the same, ${count(c.stale_within_promise)} stale within the promise, ${count(c.replica_noise)} replica noise, ${count(c.wrong)} wrong`
      : this.was ? "Nothing was compared yet." : "Not in force yet.";
  }
}
