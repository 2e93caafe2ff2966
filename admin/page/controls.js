// What the person can do: look at an entity, and change things.

import { get, post } from "./api.js";
import { held } from "./tables.js";
import { bytes, count } from "./format.js";

const $ = (id) => document.getElementById(id);

// radios makes a group of buttons of which one is chosen, with the keys that
// such a group has.
export function radios(parent, choices, onChoose) {
  const buttons = choices.map(({ value, label, disabled, title }) => {
    const b = Object.assign(document.createElement("button"), { type: "button", textContent: label, disabled: !!disabled, title: title ?? "" });
    b.dataset.value = value;
    b.setAttribute("role", "radio");
    b.addEventListener("click", () => onChoose(value));
    return b;
  });
  parent.replaceChildren(...buttons);
  parent.addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    const enabled = buttons.filter((b) => !b.disabled), at = enabled.indexOf(document.activeElement);
    if (!step || at < 0) return;
    e.preventDefault();
    enabled[(at + step + enabled.length) % enabled.length].focus();
  });
  return (chosen) => {
    for (const b of buttons) {
      b.setAttribute("aria-checked", b.dataset.value === String(chosen));
      b.tabIndex = b.dataset.value === String(chosen) ? 0 : -1;
    }
  };
}

let asked = Promise.resolve(); // the question before is answered

// confirmed asks the person, one question at a time.
export function confirmed(text) {
  return asked = asked.then(() => {
    const dialog = $("confirm");
    $("confirm-text").textContent = text;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
  });
}

// change asks for a change and says what came of it. It tells whether it was made.
export async function change(path, body, words, out = $("outcome")) {
  const say = (text, failed) => {
    out.textContent = text;
    out.classList.toggle("failing", !!failed);
  };
  say("…");
  try {
    say(words(await post(path, body)));
    return true;
  } catch (e) {
    say(e.message, true);
    return false;
  }
}

let showMode;

export function setUp() {
  showMode = radios($("modes"), [
    { value: "off", label: "off", title: "every read is forwarded" },
    { value: "dry-run", label: "dry-run", title: "every read is forwarded, and compared aside" },
    { value: "live", label: "live", title: "reads are answered from memory" },
  ], async (mode) => {
    if (await confirmed(`Change the mode to ${mode}?`)) change("mode", { mode }, (done) => `The mode is ${done.mode} now.`);
  });

  $("kind").addEventListener("change", () => {
    const all = $("kind").value === "all";
    $("target").disabled = all;
    $("target").required = !all;
    $("target").placeholder = { feature: "name, field or pattern", entity: "entity, such as st_1426727", all: "" }[$("kind").value];
  });
  $("invalidate").addEventListener("submit", async (e) => {
    e.preventDefault();
    const kind = $("kind").value, target = $("target").value;
    const body = kind === "all" ? { all: true } : { [kind]: target };
    const wide = kind === "all" || (kind === "feature" && /[*?[]/.test(target));
    if (wide && !await confirmed(`Invalidate ${kind === "all" ? "everything" : "the features " + target}? It will be fetched from the store again.`)) return;
    change("invalidate", body, (done) => `Invalidated: ${done.what}${kind === "entity" ? "" : ` (${count(done.features)} known features)`}.`);
  });
  $("shadow-percent").addEventListener("input", (e) => { $("shadow-set").disabled = e.target.value === e.target.dataset.was; });
  $("shadow").addEventListener("submit", async (e) => {
    e.preventDefault();
    const percent = Number($("shadow-percent").value);
    if ($("shadow-set").disabled || !await confirmed(`Repeat ${percent} % of the fetches at the second store? Now it is ${$("shadow-percent").dataset.was} %.`)) return;
    change("shadow", { percent }, (done) => {
      shadow(done);
      return `${done.percent} % of the fetches are repeated at the second store.`;
    });
  });
  $("flush").addEventListener("click", async () => {
    if (await confirmed("Drop all rows? Everything will be fetched from the store again.")) {
      change("flush", {}, (done) => `Dropped ${count(done.rows)} rows of ${bytes(done.bytes)}.`);
    }
  });
  $("reload").addEventListener("click", () => change("reload", {}, (done) => {
    if (!done.ok) throw new Error("Not taken over: " + done.error);
    const restart = done.restart.length ? ` A restart is needed for ${done.restart.join(", ")}.` : "";
    return (done.changed.length ? `Taken over: ${done.changed.join(", ")}.` : "Nothing has changed.") + restart;
  }));
  $("lookup").addEventListener("submit", (e) => {
    e.preventDefault();
    look({ key: $("entity").value });
  });
}

export function access(a) {
  $("controls").disabled = !a.change && !a.token;
  $("access").textContent = a.change ? "Every change is logged." : a.token ? "Changes ask for the token." : a.reason;
}

export function mode(m) { showMode(m); }

// shadow shows the second store, if there is one.
export function shadow(s) {
  $("shadow").hidden = !s;
  if (!s) return;
  const input = $("shadow-percent"), now = String(s.percent);
  // What the person has typed stays until it is set.
  if (input.dataset.was !== now && (input.dataset.was === undefined || input.value === input.dataset.was)) input.value = now;
  input.dataset.was = now;
  $("shadow-set").disabled = input.value === now;
  $("shadow-note").textContent = `${s.addresses.join(", ")}: ${count(s.compared.match + s.compared.spelling)} values the same, ` +
    `${count(s.compared.stale_within_promise)} behind for a while, ${count(s.compared.replica_noise)} replica noise, ${count(s.compared.wrong)} wrong; ${count(s.dropped)} not compared`;
}

async function look(query) {
  const out = $("looked");
  try {
    const e = await get("entity?" + new URLSearchParams(query));
    const words = document.createElement("p");
    words.textContent = e.held
      ? `${e.values.length} values in ${bytes(e.bytes)}, the last from ${e.filled_from || "an earlier process"} (shard ${e.shard}, slot ${e.slot}).`
      : `Nothing is held of ${e.entity}. It would be fetched from ${e.nodes.join(" or ") || "nowhere: no fetcher serves its slot"}.`;
    if (e.updated) words.textContent += " An update came just now: what is fetched is not kept.";
    out.replaceChildren(words);
    if (!e.held) return;
    const table = held();
    table.panel.hidden = false;
    table.panel.removeAttribute("role");
    out.append(table.panel);
    table.update(e.values);
  } catch (e) {
    out.replaceChildren(Object.assign(document.createElement("p"), { className: "problem failing", textContent: e.message }));
  }
}

// hottest shows the entities that are asked for most, each to be looked at.
export async function hottest() {
  const list = await get("hottest?limit=6");
  const links = list.map((hot) => {
    const b = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: hot.entity });
    b.addEventListener("click", () => {
      $("entity").value = hot.entity;
      look(hot.entity_base64 ? { key_base64: hot.entity_base64 } : { key: hot.entity });
    });
    return b;
  });
  $("hottest").replaceChildren(...links.flatMap((b, i) => i ? [" ", b] : [b]), links.length ? "" : "nothing is held yet");
}
