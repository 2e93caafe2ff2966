// Asking this process. The token, if one is needed, stays in this tab.

const key = "fsproxy-token";
let asking; // the dialog that is open, so that only one is

function headers(more) {
  const token = sessionStorage.getItem(key);
  return token ? { ...more, Authorization: "Bearer " + token } : { ...more };
}

// askToken asks the person; false: there is none to be had.
export function askToken() {
  asking ??= new Promise((answer) => {
    const dialog = document.getElementById("ask-token"), input = document.getElementById("token");
    dialog.addEventListener("close", () => {
      asking = undefined;
      if (dialog.returnValue === "yes" && input.value) sessionStorage.setItem(key, input.value.trim());
      answer(dialog.returnValue === "yes" && input.value !== "");
      input.value = "";
    }, { once: true });
    dialog.returnValue = "no";
    dialog.showModal();
  });
  return asking;
}

async function ask(path, init) {
  for (;;) {
    const response = await fetch("/api/v1/" + path, { ...init, headers: headers(init.headers), cache: "no-store" });
    if (response.status === 401 && await askToken()) continue;
    if (!response.ok) {
      const said = await response.json().catch(() => ({}));
      throw Object.assign(new Error(said.error || response.statusText), { status: response.status, mistakes: said.mistakes ?? [] });
    }
    return response;
  }
}

export async function get(path) { return (await ask(path, {})).json(); }

async function send(path, body, more) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json", ...more }, body: JSON.stringify(body) });
}

export async function post(path, body) { return (await send(path, body)).json(); }

const versioned = async (response) => ({ answer: await response.json(), version: response.headers.get("ETag") ?? "" });

// getVersioned is get with the version of what is answered, and postIf changes that
// version and no other.
export async function getVersioned(path) { return versioned(await ask(path, {})); }

export async function postIf(version, path, body) { return versioned(await send(path, body, { "If-Match": version })); }

const silence = 8000; // ms without an event after which the stream is given up
const shortest = 500, longest = 5000; // ms until it is tried again

// follow gives each event to heard(name, data), and the state of the stream to
// changed. It goes on for as long as the page is open.
export async function follow(heard, changed) {
  for (let wait = shortest; ; wait = Math.min(2 * wait, longest)) {
    const stop = new AbortController();
    let watchdog;
    const alive = () => { clearTimeout(watchdog); watchdog = setTimeout(() => stop.abort(), silence); };
    try {
      alive();
      const response = await ask("events", { signal: stop.signal });
      changed("live");
      wait = shortest;
      let text = "";
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        alive();
        const events = (text + value).split("\n\n");
        text = events.pop();
        for (const event of events) {
          const [, name, data] = event.match(/^event: (.*)\ndata: (.*)$/) || [];
          if (name) heard(name, JSON.parse(data));
        }
      }
      changed("reconnecting");
    } catch (e) {
      changed(e.status ? "refused: " + e.message : "reconnecting");
    }
    clearTimeout(watchdog);
    await new Promise((go) => setTimeout(go, wait));
  }
}
