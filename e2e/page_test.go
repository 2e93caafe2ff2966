//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

var pageTables = []string{"features", "fetchers", "sources", "rules", "differences", "options", "changes"}

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
	field := p.text(`document.querySelector("#panel-features tbody tr:nth-child(7) td").firstChild.data`)

	p.press("/")
	p.await("the search having the focus", `document.activeElement.id === "search"`)
	p.press(strings.Split(field, "")...)
	p.await("the one feature that was searched", fmt.Sprintf(`document.querySelectorAll("#panel-features tbody tr").length === 1 && document.querySelector("#panel-features tbody td").firstChild.data === %q`, field))
	if err := p.evaluate(`const s = document.querySelector("#search"); s.value = ""; s.dispatchEvent(new Event("input"))`, nil); err != nil {
		t.Fatal(err)
	}

	p.press("Tab", "Tab") // the sheet, then its first column
	p.await("the first column having the focus", `document.activeElement.textContent === "Feature"`)
	p.press("Enter")
	const fields = `[...document.querySelectorAll("#panel-features tbody tr td:first-child")].map((td) => td.firstChild.data)`
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

// startDifferingProxy runs fsproxy with rules, in front of a store in which a value
// changes that nobody tells of, and reads that value until it was found wrong.
func startDifferingProxy(t testing.TB) *proxy {
	t.Helper()
	s := startStore(t)
	direct := dialWire(t, s.addr)
	direct.do(t, "HSET", "st_1", "a", "1", "b", "1", "c", "0.1")
	p := startConfiguredProxy(t, fmt.Sprintf(`mode: dry-run
upstream: {addresses: [%q], fetch_timeout: 2s}
rollout:
  rules:
    - {name: never, features: [c], mode: "off"}
    - {name: canary, entities: ["st_*"], features: [b], percent: 1, verify: 100}
%s`, s.addr, quickMarkers))
	w := dialWire(t, p.addr)
	read := func() { w.do(t, "HMGET", "st_1", "a") }
	time.Sleep(time.Second) // the markers have settled
	eventually(t, "a value being compared", func() error {
		read()
		if p.compared(t)["dry_run match"] == 0 {
			return fmt.Errorf("%v", p.compared(t))
		}
		return nil
	})
	direct.do(t, "HSET", "st_1", "a", "2")
	eventually(t, "what nobody told of being found wrong", func() error {
		read()
		if p.compared(t)["dry_run wrong"] == 0 {
			return fmt.Errorf("%v", p.compared(t))
		}
		return nil
	})
	return p
}

func TestPageChangesARuleAndShowsWhatDiffers(t *testing.T) {
	proxy := startDifferingProxy(t)
	client := dialWire(t, proxy.addr) // stays through all changes
	p := openPage(t, startBrowser(t), proxy.admin, 1280, 900)
	run := func(script string) {
		t.Helper()
		if err := p.evaluate(script, nil); err != nil {
			t.Fatal(err)
		}
	}
	p.await("what live would bring", `!document.querySelector("#compared").hidden && document.querySelector("#tile-projected-rate .value").textContent.includes("%")`)
	p.await("the wrong values", `document.querySelector("#tile-wrong.bad .value").textContent !== "0"`)
	p.choose("differences")
	p.await("the difference", `[...document.querySelectorAll("#panel-differences tbody tr")].some((r) => r.textContent.includes("wrong") && r.textContent.includes("st_1") && r.textContent.includes("fs:markers") && r.textContent.includes("dry run"))`)
	p.shoot("differences-light")

	const row = `[...document.querySelectorAll("#panel-rules tbody tr")].find((r) => r.cells[1].textContent === "canary")`
	p.choose("rules")
	p.await("the rules in their order", `[...document.querySelectorAll("#panel-rules tbody tr")].map((r) => r.cells[1].firstChild.data).join() === "never,canary,default"`)
	p.await("what was compared under the default rule", `document.querySelector("#panel-rules tbody tr:last-child").lastChild.textContent !== "–"`)
	// By keyboard: into the field, another number, Enter.
	run(row + `.querySelector("input.percent").focus(); document.activeElement.select()`)
	p.press("2", "5")
	p.await("the change being marked", row+`.querySelector("input.percent").classList.contains("changed") && !`+row+`.querySelector("button").disabled`)
	p.shoot("rules-light")
	p.press("Enter")
	p.await("being asked", `document.querySelector("#confirm").open && document.querySelector("#confirm-text").textContent === "Change rule canary: percent from 1 % to 25 %?"`)
	run(`document.querySelector("#confirm button[value=no]").click()`)
	p.press("Enter")
	p.await("being asked again", `document.querySelector("#confirm").open`)
	run(`document.querySelector("#confirm button[value=yes]").click()`)
	p.await("the outcome", `document.querySelector("#rules-outcome").textContent.includes("25 %") && document.querySelector("#rules-note").textContent.includes("by hand")`)
	run(row + `.querySelector("select").value = "dry-run"; ` + row + `.querySelector("select").dispatchEvent(new Event("input")); ` + row + `.querySelector("button").click()`)
	p.await("being asked", `document.querySelector("#confirm").open`)
	run(`document.querySelector("#confirm button[value=yes]").click()`)
	p.await("the outcome", `document.querySelector("#rules-outcome").textContent.includes("mode from live to dry-run")`)
	rules, err := proxy.get("/api/v1/rules")
	if err != nil || !strings.Contains(rules, `"mode":"dry-run","percent":25,"verify_percent":100`) {
		t.Errorf("%v: the rules are %s", err, rules)
	}
	// A value that cannot be is refused before anybody is asked.
	run(row + `.querySelector("input.percent").value = "101"; ` + row + `.querySelector("input.percent").dispatchEvent(new Event("input")); ` + row + `.querySelector("button").click()`)
	if p.text(`document.querySelector("#confirm").open`) != "false" {
		t.Error("a percentage of 101 is asked about")
	}
	if got := client.do(t, "HMGET", "st_1", "b"); got != bulks("1") {
		t.Errorf("the connection that was open all along is answered %q", got)
	}
	p.choose("rules")
	p.scheme("dark")
	p.shoot("rules-dark")
	for _, colours := range []string{"light", "dark"} {
		p.scheme(colours)
		p.resize(390, 844)
		for _, table := range []string{"differences", "rules"} {
			p.choose(table)
			p.await("no scrolling sideways with "+table, `document.scrollingElement.scrollWidth <= 390 && window.innerWidth === 390`)
			if faint := p.text(contrastScript); faint != "" {
				t.Errorf("%s in %s: %s", table, colours, faint)
			}
			p.shoot("phone-" + table + "-" + colours)
		}
	}
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
