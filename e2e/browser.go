//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// browserFlags keep Chromium from asking anybody but the page's own process.
// Its sandbox needs rights that a container seldom has.
var browserFlags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
}

// browser is a running Chromium, which is told what to do in the DevTools
// protocol over two pipes: JSON messages, each ended by a zero byte.
type browser struct {
	t   testing.TB
	cmd *exec.Cmd
	to  io.WriteCloser

	mu      sync.Mutex
	last    int                         // message number; guarded by mu, as is what follows
	waiting map[int]chan browserMessage // by message number
	pages   map[string]*browserPage     // by session
	ended   bool                        // no more answers come
}

type browserMessage struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// browserPatience is how long an answer of the browser may take.
const browserPatience = 30 * time.Second

// startBrowser starts Chromium with a profile of its own; it ends with the test.
func startBrowser(t testing.TB) *browser {
	t.Helper()
	program := needProgram(t, "chromium")
	toRead, toWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromRead, fromWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, to: toWrite, waiting: map[int]chan browserMessage{}, pages: map[string]*browserPage{}}
	// Not t.TempDir: the browser's children may write to it a moment longer.
	profile, err := os.MkdirTemp("", "fsproxy-browser")
	if err != nil {
		t.Fatal(err)
	}
	b.cmd = exec.Command(program, append(browserFlags, "--user-data-dir="+profile)...)
	b.cmd.Env = append(cleanEnvironment(), "HOME="+profile)
	b.cmd.ExtraFiles = []*os.File{toRead, fromWrite} // 3 and 4 in the child, as it expects
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := b.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", program, err)
	}
	_, _ = toRead.Close(), fromWrite.Close()
	var reader sync.WaitGroup
	reader.Go(func() { b.read(fromRead) })
	t.Cleanup(func() {
		_ = toWrite.Close() // which ends it
		gone := time.AfterFunc(stopGrace, func() { _ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL) })
		_ = b.cmd.Wait()
		gone.Stop()
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL) // children that are left
		reader.Wait()
		_ = fromRead.Close()
		_ = os.RemoveAll(profile)
	})
	return b
}

// read gives answers to those who wait for them, and events to their pages.
func (b *browser) read(from io.Reader) {
	messages := bufio.NewReader(from)
	for {
		text, err := messages.ReadBytes(0)
		b.mu.Lock()
		if err != nil {
			b.ended = true
			for _, answer := range b.waiting {
				close(answer)
			}
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		var m browserMessage
		if json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m) == nil {
			if answer := b.waiting[m.ID]; answer != nil {
				delete(b.waiting, m.ID)
				answer <- m
			} else if page := b.pages[m.Session]; page != nil {
				page.note(m)
			}
		}
		b.mu.Unlock()
	}
}

// call has the browser do something and reads the result into result, which may
// be nil.
func (b *browser) call(session, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	answer := make(chan browserMessage, 1)
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return fmt.Errorf("%s: the browser has ended", method)
	}
	b.last++
	message, err := json.Marshal(browserMessage{ID: b.last, Session: session, Method: method, Params: text})
	b.waiting[b.last] = answer
	b.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err := b.to.Write(append(message, 0)); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return fmt.Errorf("%s: the browser has ended", method)
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-time.After(browserPatience):
		return fmt.Errorf("%s: no answer within %v", method, browserPatience)
	}
}

// browserPage is a tab.
type browserPage struct {
	browser *browser
	session string
	// complaints are errors on the page's console; guarded by browser.mu.
	complaints []string
}

// open opens a tab of the given size at url.
func (b *browser) open(url string, width, height int) *browserPage {
	b.t.Helper()
	var target struct {
		ID string `json:"targetId"`
	}
	b.must("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.must("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	p := &browserPage{browser: b, session: attached.Session}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.must(domain+".enable", struct{}{}, nil)
	}
	p.resize(width, height)
	p.must("Page.navigate", map[string]any{"url": url}, nil)
	return p
}

func (b *browser) must(session, method string, params, result any) {
	b.t.Helper()
	if err := b.call(session, method, params, result); err != nil {
		b.t.Fatal(err)
	}
}

func (p *browserPage) must(method string, params, result any) {
	p.browser.t.Helper()
	p.browser.must(p.session, method, params, result)
}

// note keeps what the page complains of.
func (p *browserPage) note(m browserMessage) {
	var event struct {
		Type  string `json:"type"`
		Entry struct {
			Level, Text, URL string
		} `json:"entry"`
	}
	_ = json.Unmarshal(m.Params, &event)
	switch {
	case m.Method == "Runtime.exceptionThrown",
		m.Method == "Runtime.consoleAPICalled" && (event.Type == "error" || event.Type == "warning"),
		m.Method == "Log.entryAdded" && (event.Entry.Level == "error" || event.Entry.Level == "warning"):
		p.complaints = append(p.complaints, string(m.Params))
	}
}

// complained returns the complaints since the last call.
func (p *browserPage) complained() []string {
	p.browser.mu.Lock()
	defer p.browser.mu.Unlock()
	complaints := p.complaints
	p.complaints = nil
	return complaints
}

// resize gives the tab another size, in CSS pixels; below 500 it is a phone's.
func (p *browserPage) resize(width, height int) {
	p.browser.t.Helper()
	p.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// front makes it the tab that is seen: others draw nothing.
func (p *browserPage) front() {
	p.browser.t.Helper()
	p.must("Page.bringToFront", struct{}{}, nil)
}

// scheme says which colours the person prefers: light or dark.
func (p *browserPage) scheme(colours string) {
	p.browser.t.Helper()
	p.must("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": colours}}}, nil)
}

// evaluate gives the value of a JavaScript expression, awaited.
func (p *browserPage) evaluate(expression string, value any) error {
	var outcome struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Exception struct{ Description string } `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.browser.call(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &outcome)
	switch {
	case err != nil:
		return err
	case outcome.Exception != nil:
		return fmt.Errorf("%s: %s", expression, outcome.Exception.Exception.Description)
	case value == nil:
		return nil
	}
	return json.Unmarshal(outcome.Result.Value, value)
}

// text is the value of an expression as text.
func (p *browserPage) text(expression string) string {
	p.browser.t.Helper()
	var text string
	if err := p.evaluate("String("+expression+")", &text); err != nil {
		p.browser.t.Fatal(err)
	}
	return text
}

// await waits until a JavaScript condition holds.
func (p *browserPage) await(what, condition string) {
	p.browser.t.Helper()
	eventually(p.browser.t, what, func() error {
		var holds bool
		if err := p.evaluate("!!("+condition+")", &holds); err != nil {
			return err
		}
		if !holds {
			return fmt.Errorf("it does not hold that %s", condition)
		}
		return nil
	})
}

// press presses keys one after the other: named ones such as "Enter", else
// characters.
func (p *browserPage) press(keys ...string) {
	p.browser.t.Helper()
	p.pressWith(0, keys...)
}

// alt is the modifier of that name.
const alt = 1

// pressWith is press while a modifier is held.
func (p *browserPage) pressWith(modifier int, keys ...string) {
	p.browser.t.Helper()
	codes := map[string]int{"Enter": 13, "Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "Escape": 27}
	for _, key := range keys {
		down := map[string]any{"type": "keyDown", "key": key, "modifiers": modifier}
		if code, named := codes[key]; named {
			down["windowsVirtualKeyCode"], down["code"] = code, key
			if key == "Enter" {
				down["text"] = "\r"
			}
		} else {
			down["text"] = key
		}
		p.must("Input.dispatchKeyEvent", down, nil)
		up := map[string]any{"type": "keyUp", "key": key, "modifiers": modifier}
		p.must("Input.dispatchKeyEvent", up, nil)
	}
}

// shoot takes a picture of the whole page into FSPROXY_E2E_SHOTS, if that names
// a folder.
func (p *browserPage) shoot(name string) {
	p.browser.t.Helper()
	folder := os.Getenv("FSPROXY_E2E_SHOTS")
	if folder == "" {
		return
	}
	var shot struct{ Data string }
	p.must("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.browser.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		p.browser.t.Fatal(err)
	}
}
