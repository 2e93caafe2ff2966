// The rules: what is in force, and what the person makes of it, which is put in force
// all at once.

import { getVersioned, postIf } from "./api.js";
import { confirmed } from "./controls.js";
import { RuleItem } from "./rule.js";
import { difference, effect, effectWords } from "./rulewords.js";

function make(name, properties, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

function button(id, text, press, className = "") {
  const b = make("button", { id, type: "button", textContent: text, className });
  b.addEventListener("click", press);
  return b;
}

// A rule that is added begins as one that changes no answer.
const fresh = { name: "", features: [], entities: [], mode: "dry-run", percent: 100, verify_percent: 0 };

// RuleList is a panel as a Table is.
class RuleList {
  constructor() {
    Object.assign(this, { id: "rules", title: "Rules", search: "", items: [], inForce: undefined, base: undefined });
    this.panel = make("div", { id: "panel-rules", hidden: true });
    this.panel.setAttribute("role", "tabpanel");
    this.panel.setAttribute("aria-labelledby", "tab-rules");
    this.meanwhile = make("div", { className: "problem", id: "rules-meanwhile", hidden: true });
    this.meanwhile.setAttribute("role", "alert");
    this.list = make("ol", { className: "rules", id: "rule-list" });
    this.outcome = make("p", { className: "outcome", id: "rules-outcome" });
    this.outcome.setAttribute("role", "status");
    this.note = make("p", { className: "faint", id: "rules-note" });
    this.draft = make("div", { className: "draft", id: "rules-draft", hidden: true },
      this.pending = make("p", {}),
      make("div", { className: "row" }, button("rules-discard", "Discard", () => this.discard()), button("rules-apply", "Put in force …", () => this.apply(), "main")));
    this.controls = make("fieldset", { disabled: true }, make("legend", { className: "hidden", textContent: "Rules" }),
      this.meanwhile, this.list, make("div", { className: "row" }, button("rules-add", "Add a rule", () => this.add())), this.draft);
    this.panel.append(this.controls, this.outcome, this.note);
  }

  // update is called with the rules in force, whenever they were heard.
  update({ answer, version }) {
    this.inForce = { rules: answer, version };
    const other = this.base?.version !== version;
    if (other && !this.changes().length) this.take();
    this.draw();
  }

  // take shows what is in force, and forgets what the person has made.
  take() {
    this.base = this.inForce;
    const before = Object.fromEntries(this.items.map((item) => [item.was?.name, item]));
    this.items = this.base.rules.map((rule) => {
      const item = before[rule.name] ?? new RuleItem(this);
      item.show(rule, rule);
      return item;
    });
  }

  rules() { return this.items.map((item) => item.rule); }

  // changes are what the person has made, in words.
  changes() { return this.base ? difference(this.base.rules, this.rules()) : []; }

  find(text) {
    this.search = text.toLowerCase();
    this.draw();
  }

  draw() {
    if (this.panel.hidden || !this.base) return;
    this.items.forEach((item, i) => {
      const { name, features, entities } = item.rule;
      if (this.list.children[i] !== item.root) this.list.insertBefore(item.root, this.list.children[i] ?? null);
      item.draw(i, this.items.length, this.inForce.rules.find((r) => r.name === item.was?.name));
      item.root.hidden = this.search !== "" && ![name, ...features, ...entities].join(" ").toLowerCase().includes(this.search);
    });
    while (this.list.children.length > this.items.length) this.list.lastChild.remove();
    const changes = this.changes();
    this.draft.hidden = !changes.length;
    this.pending.textContent = "Not in force yet: " + changes.join("; ") + ".";
    this.drawMeanwhile(changes.length > 0 && this.base.version !== this.inForce.version);
  }

  // drawMeanwhile tells of changes that others have made of what is being edited.
  drawMeanwhile(is) {
    if (this.meanwhile.hidden && !is) return;
    this.meanwhile.hidden = !is;
    const theirs = difference(this.base.rules, this.inForce.rules).join("; ");
    if (!is || this.meanwhile.dataset.now === theirs) return;
    this.meanwhile.dataset.now = theirs;
    this.meanwhile.replaceChildren(
      make("p", {}, make("b", { textContent: "The rules were changed meanwhile: " }), theirs + ". What you have made is of the earlier ones, and cannot be put in force as it is."),
      make("div", { className: "row" },
        button("rules-theirs", "Show those in force", () => this.discard()),
        button("rules-mine", "Keep mine, and compare again", () => this.rebase())));
  }

  // rebase keeps what the person has made, as changes of what is in force now.
  rebase() {
    this.base = this.inForce;
    for (const item of this.items) item.was = this.base.rules.find((r) => r.name === item.fields.name.element.value);
    this.say("");
    this.draw();
  }

  edited() {
    this.say("");
    this.draw();
  }

  discard() {
    this.take();
    this.say("");
    this.draw();
    document.getElementById("rules-add").focus();
  }

  add() {
    const item = new RuleItem(this);
    item.show(fresh);
    this.items.splice(-1, 0, item);
    this.edited();
    item.fields.name.element.focus();
  }

  remove(item) {
    const at = this.items.indexOf(item);
    this.items.splice(at, 1);
    this.edited();
    const next = this.items[Math.min(at, this.items.length - 2)];
    (next?.away ?? document.getElementById("rules-add")).focus();
  }

  move(item, step) {
    const at = this.items.indexOf(item), to = at + step, focused = document.activeElement;
    if (item.last || to < 0 || to > this.items.length - 2) return;
    this.items.splice(at, 1);
    this.items.splice(to, 0, item);
    this.edited();
    (focused.disabled ? (step < 0 ? item.down : item.up) : focused).focus();
    this.say(`Rule ${item.rule.name} is ${to + 1} of ${this.items.length}.`);
  }

  say(text, failed) {
    this.outcome.textContent = text;
    this.outcome.classList.toggle("failing", !!failed);
  }

  // check tells whether all fields can be read, and goes to the first that cannot.
  check() {
    const fine = this.items.map((item) => item.check()).every(Boolean);
    if (!fine) this.toMistake();
    return fine;
  }

  toMistake() { this.list.querySelector("[aria-invalid=true]")?.focus(); }

  async apply() {
    const changes = this.changes();
    if (this.controls.disabled || !changes.length || !this.check()) return;
    const after = this.rules();
    const question = `Put in force?\n\n• ${changes.join("\n• ")}\n\n${effectWords(effect(this.base.rules, after))}`;
    if (!await confirmed(question)) return;
    this.say("…");
    try {
      const { name, mode } = after.pop(); // of the default one nothing but its mode
      const done = await postIf(this.base.version, "rules", { rules: [...after, { name, mode }] });
      this.inForce = { rules: done.answer, version: done.version };
      this.take();
      this.draw();
      this.say("In force: " + changes.join("; ") + ".");
    } catch (e) {
      for (const { rule, field, what } of e.mistakes ?? []) this.items[rule]?.fail(field, what);
      this.say(e.mistakes?.length ? "Refused, and nothing was changed: see the fields that are marked." : e.message, true);
      this.toMistake();
      if (e.status === 412) await this.refresh().catch(() => {});
    }
  }

  async refresh() { this.update(await getVersioned("rules")); }

  // told says what holds of all rules, and sees whether they are others by now.
  told(status) {
    this.note.textContent = (status.mode === "off" ? "Mode is off: every read is forwarded, whatever the rules say. " : "For each feature of an entity, the first rule that takes it decides. ") +
      (status.set_by_hand ? "Something was set by hand: it is not as the configuration says, and lasts until this process ends." : "This is as the configuration says.") +
      " What is changed here is of this process alone. Alt with ↑ and ↓ moves a rule.";
    if (this.inForce && !this.inForce.version.includes(status.rules_version) && !this.panel.hidden) this.refresh().catch(() => {});
  }

  access(a) { this.controls.disabled = !a.change && !a.token; }
}

export const rules = new RuleList();
