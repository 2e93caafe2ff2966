//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startDemo runs `fsproxy demo`, which has a store and a load of its own, with
// its page at the admin address.
func startDemo(t testing.TB, admin string) *process {
	t.Helper()
	p := startProcess(t, fsproxyBinary, "demo", "--rate", "2000", "--listen", loopback(freePort(t)), "--admin", admin)
	p.waitForPort(t, admin)
	return p
}

// openPage opens the page of the process at admin and waits until figures come.
func openPage(t testing.TB, b *browser, admin string, width, height int) *browserPage {
	t.Helper()
	p := b.open("http://"+admin+"/", width, height)
	p.await("figures on the page", `document.querySelector("#live")?.textContent.includes("updating") && document.querySelector("#tile-reads .value").textContent.includes("/s")`)
	return p
}

func wantNoComplaints(t *testing.T, p *browserPage) {
	t.Helper()
	for _, complaint := range p.complained() {
		t.Errorf("on the console: %s", complaint)
	}
}

// choose shows one of the tables.
func (p *browserPage) choose(table string) {
	p.browser.t.Helper()
	if err := p.evaluate(fmt.Sprintf("document.querySelector('#tab-%s').click()", table), nil); err != nil {
		p.browser.t.Fatal(err)
	}
}

var pageTables = []string{"features", "fetchers", "sources", "differences", "options", "changes"}

func TestPageShowsWhatChangesWithoutComplaints(t *testing.T) {
	admin := loopback(freePort(t))
	startDemo(t, admin)
	p := openPage(t, startBrowser(t), admin, 1280, 900)
	const total = `document.querySelector("#tile-avoided .note").textContent`
	before := p.text(total)
	p.await("the reads avoided changing", fmt.Sprintf("%s !== %q", total, before))
	p.await("a line in each chart", `[...document.querySelectorAll(".chart")].length >= 6 && [...document.querySelectorAll(".chart")].every((c) => c.querySelector("path"))`)
	p.await("verdict and mode", `document.querySelector("#health").textContent === "healthy" && document.querySelector("#mode").textContent === "mode live"`)
	for _, table := range pageTables {
		p.choose(table)
		p.await("something in the table of "+table, fmt.Sprintf(`document.querySelector("#panel-%[1]s tbody tr") || !document.querySelector("#panel-%[1]s .empty").hidden`, table))
	}
	p.choose("features")
	p.await("a minute's shape", `document.querySelectorAll(".chart path")[1].getAttribute("d").length > 100`)
	p.shoot("light")
	p.scheme("dark")
	p.shoot("dark")
	wantNoComplaints(t, p)
}

func TestPageWorksByKeyboard(t *testing.T) {
	admin := loopback(freePort(t))
	startDemo(t, admin)
	p := openPage(t, startBrowser(t), admin, 1280, 900)
	p.await("features", `document.querySelectorAll("#panel-features tbody tr").length > 20`)
	field := p.text(`document.querySelector("#panel-features tbody tr:nth-child(7) td").textContent`)

	p.press("/")
	p.await("the search having the focus", `document.activeElement.id === "search"`)
	p.press(strings.Split(field, "")...)
	p.await("the one feature that was searched", fmt.Sprintf(`document.querySelectorAll("#panel-features tbody tr").length === 1 && document.querySelector("#panel-features tbody td").textContent === %q`, field))
	if err := p.evaluate(`const s = document.querySelector("#search"); s.value = ""; s.dispatchEvent(new Event("input"))`, nil); err != nil {
		t.Fatal(err)
	}

	p.press("Tab", "Tab") // the sheet, then its first column
	p.await("the first column having the focus", `document.activeElement.textContent === "Feature"`)
	p.press("Enter")
	const fields = `[...document.querySelectorAll("#panel-features tbody tr td:first-child")].map((td) => td.textContent)`
	p.await("rising order", `document.querySelector("#panel-features th").ariaSort === "ascending" && `+fields+`.every((f, i, all) => !i || all[i-1] <= f)`)
	p.press("Enter")
	p.await("falling order", `document.querySelector("#panel-features th").ariaSort === "descending" && `+fields+`.every((f, i, all) => !i || all[i-1] >= f)`)

	if err := p.evaluate(`document.querySelector("#tab-features").focus()`, nil); err != nil {
		t.Fatal(err)
	}
	p.press("ArrowRight")
	p.await("the next table", `document.activeElement.id === "tab-fetchers" && !document.querySelector("#panel-fetchers").hidden && document.querySelectorAll("#panel-fetchers tbody tr").length === 4`)
	if err := p.evaluate(`document.querySelector(".chart svg").focus()`, nil); err != nil {
		t.Fatal(err)
	}
	p.press("ArrowLeft")
	p.await("the chart's cursor", `document.querySelector(".chart .cursor") && document.querySelector(".chart svg").getAttribute("aria-label").includes("seconds ago")`)
	wantNoComplaints(t, p)
}

func TestPageLooksAtEntitiesAndChanges(t *testing.T) {
	admin := loopback(freePort(t))
	startDemo(t, admin)
	p := openPage(t, startBrowser(t), admin, 1280, 900)
	p.await("entities that are asked for much", `document.querySelector("#hottest button")`)
	run := func(script string) {
		t.Helper()
		if err := p.evaluate(script, nil); err != nil {
			t.Fatal(err)
		}
	}
	run(`document.querySelector("#hottest button").click()`)
	p.await("what is held of it", `document.querySelectorAll("#looked tbody tr").length > 5 && document.querySelector("#looked p").textContent.includes("slot")`)
	p.shoot("entity")

	run(`document.querySelector("#target").value = "*"; document.querySelector("#invalidate button").click()`)
	p.await("being asked", `document.querySelector("#confirm").open`)
	run(`document.querySelector("#confirm button[value=yes]").click()`)
	p.await("the outcome", `document.querySelector("#outcome").textContent.startsWith("Invalidated: ")`)

	run(`document.querySelector("#modes [data-value=off]").click()`)
	p.await("being asked", `document.querySelector("#confirm").open`)
	run(`document.querySelector("#confirm button[value=yes]").click()`)
	p.await("mode off", `document.querySelector("#mode").textContent === "mode off"`)
	p.choose("changes")
	p.await("the changes", `document.querySelectorAll("#panel-changes tbody tr").length === 2`)
	wantNoComplaints(t, p)
}

func TestPageFindsTheProcessAgainAfterARestart(t *testing.T) {
	admin := loopback(freePort(t))
	first := startDemo(t, admin)
	p := openPage(t, startBrowser(t), admin, 1280, 900)
	first.stop()
	p.await("the page seeing the end", `document.querySelector("#live").textContent === "reconnecting"`)
	p.complained() // the refused connections are meant
	startDemo(t, admin)
	p.await("figures again", `document.querySelector("#live").textContent.includes("updating")`)
	const total = `document.querySelector("#tile-avoided .note").textContent`
	before := p.text(total)
	p.await("the figures changing", fmt.Sprintf("%s !== %q", total, before))
}

func TestPageFitsAPhoneInBothColours(t *testing.T) {
	admin := loopback(freePort(t))
	startDemo(t, admin)
	p := openPage(t, startBrowser(t), admin, 390, 844)
	p.await("entities that are asked for much", `document.querySelector("#hottest button")`)
	p.await("a line in each chart", `[...document.querySelectorAll(".chart")].every((c) => c.querySelector("path"))`)
	for _, colours := range []string{"light", "dark"} {
		p.scheme(colours)
		for _, table := range pageTables {
			p.choose(table)
			p.await("no scrolling sideways with "+table, `document.scrollingElement.scrollWidth <= 390 && window.innerWidth === 390`)
		}
		p.choose("features")
		p.await("rows", `document.querySelector("#panel-features tbody tr")`)
		p.shoot("phone-" + colours)
		if faint := p.text(contrastScript); faint != "" {
			t.Errorf("in %s: %s", colours, faint)
		}
	}
	wantNoComplaints(t, p)
}

// contrastScript names the texts that stand out too little from what is behind
// them, by the measure of WCAG 2 (4.5 to 1).
const contrastScript = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 0.99) return c; } return [255, 255, 255]; };
  const faint = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (e.closest("dialog, fieldset:disabled, .hidden, .skip, svg, noscript") || !e.offsetParent || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.add(e.tagName + "." + e.className + " " + e.textContent.slice(0, 20) + ": " + ((a + 0.05) / (b + 0.05)).toFixed(2));
  }
  return [...faint].join("; ");
})()`

func TestPageAsksForTheTokenBeforeAChange(t *testing.T) {
	admin, token := loopback(freePort(t)), "0123456789abcdef-test"
	folder := t.TempDir()
	tokenFile, options := filepath.Join(folder, "token"), filepath.Join(folder, "fsproxy.yaml")
	text := fmt.Sprintf("listeners: [{address: %q}]\nadmin: {address: %q, token_file: %q}\nupstream: {addresses: [%q]}\n",
		loopback(freePort(t)), admin, tokenFile, loopback(freePort(t)))
	for file, content := range map[string]string{tokenFile: token + "\n", options: text} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	startProcess(t, fsproxyBinary, "serve", "--config", options).waitForPort(t, admin)
	b := startBrowser(t)
	p := b.open("http://"+admin+"/", 1280, 900)
	p.await("the page", `document.querySelector("#live")?.textContent.includes("updating")`)
	p.await("what is wrong", `document.querySelector("#health").textContent === "failing" && document.querySelector("#problems p.failing")`)
	p.shoot("failing")
	if err := p.evaluate(`document.querySelector("#modes [data-value=off]").click()`, nil); err != nil {
		t.Fatal(err)
	}
	p.await("being asked", `document.querySelector("#confirm").open`)
	if err := p.evaluate(`document.querySelector("#confirm button[value=yes]").click()`, nil); err != nil {
		t.Fatal(err)
	}
	p.await("being asked for the token", `document.querySelector("#ask-token").open`)
	if err := p.evaluate(fmt.Sprintf(`document.querySelector("#token").value = %q; document.querySelector("#ask-token button[value=yes]").click()`, token), nil); err != nil {
		t.Fatal(err)
	}
	p.await("mode off", `document.querySelector("#mode").textContent === "mode off"`)
}
