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
		p.await("something in the table of "+table, fmt.Sprintf(`document.querySelector("#panel-%[1]s tbody tr, #panel-%[1]s .rule") || !document.querySelector("#panel-%[1]s .empty").hidden`, table))
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
	run := p.run
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

// rule is the item of the list that has a name, as JavaScript.
func rule(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#rule-list > li")].find((li) => li.querySelector("[data-key=name]").value === %q)`, name)
}

// ruleNames are the names of the rules on the page in their order, as JavaScript.
const ruleNames = `[...document.querySelectorAll("#rule-list [data-key=name]")].map((e) => e.value).join()`

// fill puts text into a field of a rule as a person would.
func (p *browserPage) fill(name, key, text string) {
	p.browser.t.Helper()
	p.run(fmt.Sprintf(`{ const e = %s.querySelector("[data-key=%s]"); e.value = %q; e.dispatchEvent(new Event("input")); }`, rule(name), key, text))
}

// run runs a script, which must not fail.
func (p *browserPage) run(script string) {
	p.browser.t.Helper()
	if err := p.evaluate(script, nil); err != nil {
		p.browser.t.Fatal(err)
	}
}

// answer waits for a question with certain words and answers it.
func (p *browserPage) answer(words, answer string) {
	p.browser.t.Helper()
	p.await("being asked", fmt.Sprintf(`document.querySelector("#confirm").open && document.querySelector("#confirm-text").textContent.includes(%q)`, words))
	p.run(fmt.Sprintf(`document.querySelector("#confirm button[value=%s]").click()`, answer))
}

// openRules opens the page of a process with the rules that it shows.
func openRules(t testing.TB, proxy *proxy, b *browser) *browserPage {
	t.Helper()
	p := openPage(t, b, proxy.admin, 1280, 900)
	p.choose("rules")
	p.await("the rules in their order", ruleNames+` === "never,canary,default"`)
	return p
}

func TestPageChangesRulesAndShowsWhatDiffers(t *testing.T) {
	proxy := startDifferingProxy(t)
	client := dialWire(t, proxy.addr) // stays through all changes
	p := openRules(t, proxy, startBrowser(t))
	p.await("what live would bring", `!document.querySelector("#compared").hidden && document.querySelector("#tile-projected-rate .value").textContent.includes("%")`)
	p.await("the wrong values", `document.querySelector("#tile-wrong.bad .value").textContent !== "0"`)
	p.run(`document.querySelector("#tile-wrong button").click()`)
	p.await("the difference", `[...document.querySelectorAll("#panel-differences tbody tr")].some((r) => r.textContent.includes("wrong") && r.textContent.includes("st_1") && r.textContent.includes("fs:markers") && r.textContent.includes("dry run"))`)
	p.shoot("differences-light")
	p.choose("rules")
	p.await("what was compared under the default rule", rule("default")+`.querySelector(".counts.bad").textContent.includes("wrong")`)

	// By keyboard: into the field, another number, Enter, and Enter on No.
	p.run(rule("canary") + `.querySelector("[data-key=percent]").select()`)
	p.press("2", "5")
	p.await("the change being marked", rule("canary")+`.querySelector("[data-key=percent]").classList.contains("changed") && document.querySelector("#rules-draft").textContent.includes("canary: percent from 1 % to 25 %")`)
	p.press("Enter")
	p.await("being asked", `document.querySelector("#confirm").open && document.querySelector("#confirm-text").textContent.includes("More reads may be answered from memory")`)
	p.press("Enter")
	p.await("nothing being changed", `!document.querySelector("#confirm").open && !document.querySelector("#rules-draft").hidden`)

	// Another rule, before that one, and one of them gone: all at once.
	p.run(`document.querySelector("#rules-add").click()`)
	p.press(strings.Split("watch", "")...)
	p.fill("watch", "features", "a\nsaf_*")
	p.run(`document.querySelector("#rules-draft").scrollIntoView()`)
	p.shoot("rules-light")
	p.pressWith(alt, "ArrowUp")
	p.await("the new rule before the other", ruleNames+` === "never,watch,canary,default" && document.querySelector("#rules-outcome").textContent.includes("is 2 of 4")`)
	p.run(rule("never") + `.querySelector("[aria-label^=Take]").click()`)
	if rules, err := proxy.get("/api/v1/rules"); err != nil || strings.Contains(rules, "watch") || !strings.Contains(rules, "never") {
		t.Errorf("%v: what is not in force yet is: %s", err, rules)
	}
	p.run(`document.querySelector("#rules-apply").click()`)
	p.answer("never taken away", "yes")
	p.await("the outcome", `document.querySelector("#rules-outcome").textContent.startsWith("In force: ") && document.querySelector("#rules-draft").hidden && document.querySelector("#rules-note").textContent.includes("by hand")`)
	rules, err := proxy.get("/api/v1/rules")
	if err != nil || !strings.Contains(rules, `"name":"watch","features":["a","saf_*"],"entities":[],"mode":"dry-run","percent":100,"verify_percent":0`) ||
		!strings.Contains(rules, `"mode":"live","percent":25,"verify_percent":100`) || strings.Contains(rules, "never") || strings.Index(rules, "watch") > strings.Index(rules, "canary") {
		t.Errorf("%v: the rules are %s", err, rules)
	}
	if got := client.do(t, "HMGET", "st_1", "b"); got != bulks("1") {
		t.Errorf("the connection that was open all along is answered %q", got)
	}
	p.fill("canary", "percent", "10")
	for _, colours := range []string{"dark", "light"} {
		p.scheme(colours)
		p.resize(1280, 900)
		p.shoot("rules-" + colours)
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

// What an edit does to the share of reads that memory may answer is told before it
// is made.
func TestPageTellsWhetherMoreReadsMayBeAnsweredFromMemory(t *testing.T) {
	admin := loopback(freePort(t))
	startDemo(t, admin)
	p := openPage(t, startBrowser(t), admin, 1280, 900)
	const canary, never = `r("canary", "live", 1)`, `r("never", "off", 100, ["x"])`
	for _, c := range []struct{ name, before, after, want string }{
		{"nothing", canary, canary, "same"},
		{"a greater share live", canary, `r("canary", "live", 2)`, "more"},
		{"a smaller share live", canary, `r("canary", "live", 0.5)`, "fewer"},
		{"a live rule more", never, never + "," + canary, "more"},
		{"a live rule less", never + "," + canary, never, "fewer"},
		{"a rule in mode off more", canary, never + "," + canary, "fewer"},
		{"a rule in mode off less", never + "," + canary, canary, "more"},
		{"a smaller share off", never, `r("never", "off", 50, ["x"])`, "more"},
		{"off to dry-run", never, `r("never", "dry-run", 100, ["x"])`, "same"},
		{"live to dry-run", canary, `r("canary", "dry-run", 1)`, "fewer"},
		{"other features", canary, `r("canary", "live", 1, ["y"])`, "more, fewer"},
		{"another order", never + "," + canary, canary + "," + never, "more, fewer"},
		{"the rest live", `r("default", "dry-run", 100)`, `r("default", "live", 100)`, "more"},
		{"everything off", canary + `, r("default", "dry-run", 100)`, canary + `, r("default", "off", 100)`, "fewer"},
		{"rules that count again", canary + `, r("default", "off", 100)`, canary + `, r("default", "dry-run", 100)`, "more"},
		{"more that is live in mode off", canary + `, r("default", "off", 100)`, `r("canary", "live", 50), r("default", "off", 100)`, "same"},
	} {
		var got string
		script := fmt.Sprintf(`(async () => {
  const { effect } = await import("/rulewords.js");
  const r = (name, mode, percent, features = []) => ({ name, mode, percent, features, entities: [], verify_percent: 0 });
  const list = (...rules) => rules.at(-1).name === "default" ? rules : [...rules, r("default", "dry-run", 100)];
  const { more, fewer } = effect(list(%s), list(%s));
  return [more && "more", fewer && "fewer"].filter(Boolean).join(", ") || "same";
})()`, c.before, c.after)
		if err := p.evaluate(script, &got); err != nil || got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}

// Whatever cannot be is said at its field, by the page or by the process.
func TestPageSaysWhatIsWrongWithARuleAtItsField(t *testing.T) {
	proxy := startDifferingProxy(t)
	p := openRules(t, proxy, startBrowser(t))
	mistake := func(name, key string) string { return rule(name) + `.querySelector(".` + key + ` .mistake")` }
	p.fill("canary", "percent", "101")
	p.fill("canary", "verify_percent", "")
	p.run(`document.querySelector("#rules-apply").click()`)
	p.await("both numbers being refused", mistake("canary", "percent")+`.textContent.includes("from 0 to 100") && !`+mistake("canary", "verify_percent")+`.hidden && document.activeElement.dataset.key === "percent"`)
	if p.text(`document.querySelector("#confirm").open`) != "false" {
		t.Error("a percentage of 101 is asked about")
	}
	p.run(`document.querySelector("#rules-discard").click()`)
	p.await("all as it was", `document.querySelector("#rules-draft").hidden && document.querySelector("#rule-list [aria-invalid]") === null`)

	p.fill("never", "features", "c\n[")
	p.fill("canary", "name", "never")
	p.run(`document.querySelector("#rules-apply").click()`)
	p.answer("Put in force", "yes")
	p.await("the pattern being refused", `[...document.querySelectorAll(".rule .features .mistake")][0].textContent.includes("[") && document.activeElement.dataset.key === "features" && document.querySelector("#rules-outcome.failing")`)
	p.shoot("mistakes")
	p.run(`document.querySelector("#rule-list [data-key=features]").value = "c"`)
	p.run(`document.querySelector("#rules-apply").click()`)
	p.answer("Put in force", "yes")
	p.await("the second name being refused", `document.querySelectorAll(".rule .name .mistake")[1].textContent.includes("the same name")`)
	rules, err := proxy.get("/api/v1/rules")
	if err != nil || !strings.HasPrefix(rules, `[{"name":"never","features":["c"],"entities":[],"mode":"off"`) || !strings.Contains(rules, `"name":"canary","features":["b"],"entities":["st_*"],"mode":"live","percent":1,"verify_percent":100`) {
		t.Errorf("%v: after refusals the rules are %s", err, rules)
	}
}

// Of two who edit the rules at a time, neither overwrites what the other did unseen.
func TestPageDoesNotOverwriteWhatSomebodyElseHasChanged(t *testing.T) {
	proxy := startDifferingProxy(t)
	b := startBrowser(t)
	one, other := openRules(t, proxy, b), openRules(t, proxy, b)
	apply := `document.querySelector("#rules-apply").click()`
	other.fill("canary", "percent", "2")
	one.front()
	one.fill("never", "mode", "dry-run")
	one.run(apply)
	one.answer("never: mode from off to dry-run", "yes")
	one.await("the outcome", `document.querySelector("#rules-outcome").textContent.startsWith("In force: ")`)
	other.front()
	other.await("being told of it", `!document.querySelector("#rules-meanwhile").hidden && document.querySelector("#rules-meanwhile").textContent.includes("never: mode from off to dry-run")`)
	other.shoot("meanwhile")
	other.run(apply)
	other.answer("canary: percent from 1 % to 2 %", "yes")
	other.await("being refused", `document.querySelector("#rules-outcome.failing").textContent.includes("changed meanwhile")`)
	other.run(`document.querySelector("#rules-mine").click()`)
	other.await("both changes being shown as its own", `document.querySelector("#rules-meanwhile").hidden && document.querySelector("#rules-draft").textContent.includes("never: mode from dry-run to off")`)
	other.fill("never", "mode", "dry-run")
	other.run(apply)
	other.answer("canary: percent from 1 % to 2 %", "yes")
	other.await("the outcome", `document.querySelector("#rules-outcome").textContent.startsWith("In force: canary")`)
	one.front()
	one.await("the other's change", rule("canary")+`.querySelector("[data-key=percent]").value === "2"`)
	rules, err := proxy.get("/api/v1/rules")
	if err != nil || !strings.Contains(rules, `"mode":"dry-run","percent":100`) || !strings.Contains(rules, `"percent":2,`) {
		t.Errorf("%v: the rules are %s", err, rules)
	}
	wantNoComplaints(t, one)
}

func TestPageChangesTheSecondStoresShare(t *testing.T) {
	first, second := startStore(t), startStore(t)
	proxy := startConfiguredProxy(t, fmt.Sprintf("upstream: {addresses: [%q]}\nrollout: {shadow: {addresses: [%q], percent: 1}}\n", first.addr, second.addr))
	p := openPage(t, startBrowser(t), proxy.admin, 1280, 900)
	p.await("the share", `!document.querySelector("#shadow").hidden && document.querySelector("#shadow-percent").value === "1" && !document.querySelector("#tile-shadow").hidden`)
	p.run(`document.querySelector("#shadow-percent").select()`)
	p.press("2", "0", "Enter")
	p.answer("Repeat 20 % of the fetches", "yes")
	p.await("the outcome", `document.querySelector("#outcome").textContent.startsWith("20 % of the fetches")`)
	if shadow, err := proxy.get("/api/v1/shadow"); err != nil || !strings.Contains(shadow, `"percent":20,`) {
		t.Errorf("%v: the second store is %s", err, shadow)
	}
	p.shoot("shadow")
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
