//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// askedTogether is how many HMGETs an observer pipelines.
	askedTogether = 8
	// askPause lies between its pipelines, so that the machine has time for the
	// rest.
	askPause = 4 * time.Millisecond
	// observers ask at once, each on its own connection.
	observers = 3
)

// soakTally counts what the observers saw.
type soakTally struct {
	mu         sync.Mutex
	answers    int                  // values judged
	errors     int                  // requests that were answered with an error
	excused    int                  // values older than promised for which the harness was late
	oldest     [kinds]time.Duration // of values served
	violations [kinds]int
	nonsense   int      // answers that the store never held
	shown      []string // the first violations
}

func (t *soakTally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var oldest []string
	for k, age := range t.oldest {
		oldest = append(oldest, fmt.Sprintf("%v %v (bound %v)", kind(k), age.Round(time.Millisecond), kind(k).bound()))
	}
	return fmt.Sprintf("%d answers checked, %v violations; oldest served: %s; %d requests failed, %d answers excused",
		t.answers, t.broken(), strings.Join(oldest, ", "), t.errors, t.excused)
}

// broken is how many answers broke the promise. The caller holds mu, or nobody
// watches any more.
func (t *soakTally) broken() int {
	n := t.nonsense
	for _, v := range t.violations {
		n += v
	}
	return n
}

// show keeps the first violations.
func (t *soakTally) show(text string) {
	if len(t.shown) < shownMismatches {
		t.shown = append(t.shown, text)
	}
}

// observer asks through the proxy and judges each value by the chronicle.
type observer struct {
	*soak
	wire        *wire
	life        int64 // of the proxy that wire is to
	proxyAddr   string
	projections [][]string
	kindOf      map[string]kind
}

func (s *soak) newObserver() *observer {
	o := &observer{soak: s, kindOf: map[string]kind{}}
	var all, some []string
	for k, fields := range s.fields {
		for i, f := range fields {
			o.kindOf[f] = kind(k)
			all = append(all, f)
			if i%2 == 0 {
				some = append([]string{f}, some...)
			}
		}
	}
	o.proxyAddr = s.proxy.addr
	o.projections = [][]string{all, some, s.fields[byValue], s.fields[byUpload][:1]}
	return o
}

// question is one HMGET and who asked it.
type question struct {
	entity string
	fields []string
}

// watch asks at random until ctx ends. A connection that is lost while the proxy
// lives is an error, which ends it.
func (o *observer) watch(ctx context.Context, rnd *rand.Rand) error {
	for ctx.Err() == nil {
		questions := make([]question, askedTogether)
		for i := range questions {
			questions[i] = question{o.entity[zipf(rnd, len(o.entity))], o.projections[rnd.IntN(len(o.projections))]}
		}
		if err := o.ask(ctx, questions); err != nil {
			return err
		}
		sleep(ctx, askPause)
	}
	return nil
}

// all asks for everything once.
func (o *observer) all(ctx context.Context) error {
	for _, e := range o.entity {
		if err := o.ask(ctx, []question{{e, o.projections[0]}}); err != nil {
			return err
		}
	}
	return nil
}

// ask puts questions in one pipeline and judges the answers.
func (o *observer) ask(ctx context.Context, questions []question) error {
	if o.wire == nil {
		if o.wire, o.life = o.lives.dial(ctx, o.proxyAddr); o.wire == nil {
			return nil // ctx ended
		}
	}
	var request []byte
	for _, q := range questions {
		request = appendCommand(request, append([]string{"HMGET", q.entity}, q.fields...)...)
	}
	asked := time.Now()
	answers, err := o.wire.exchange(request, len(questions))
	if err != nil {
		_ = o.wire.Close()
		o.wire = nil
		if o.lives.over(o.life) {
			return nil
		}
		return fmt.Errorf("asking fsproxy: %w", err)
	}
	for i, q := range questions {
		o.check(q, answers[i], asked)
	}
	return nil
}

// check judges an answer value by value.
func (o *observer) check(q question, answer string, asked time.Time) {
	values, ok := bulkValues(answer)
	o.tally.mu.Lock()
	defer o.tally.mu.Unlock()
	if !ok || len(values) != len(q.fields) {
		o.tally.errors++
		return
	}
	for i, f := range q.fields {
		k := o.kindOf[f]
		v, err := o.judge(cell{q.entity, f}, values[i], asked, soakSettle)
		o.tally.answers++
		switch {
		case err != nil:
			o.tally.nonsense++
			o.tally.show(err.Error())
		case v.age <= k.bound() || !v.excused:
			o.tally.oldest[k] = max(o.tally.oldest[k], v.age)
			if v.age > k.bound() {
				o.tally.violations[k]++
				o.tally.show(fmt.Sprintf("%s %s (%v) was answered %q, which was not so any more since %v, %v are promised",
					q.entity, f, k, values[i], v.age, k.bound()))
			}
		default:
			o.tally.excused++
		}
	}
}

// bulkValues takes an array of bulk strings apart, "" standing for nil.
func bulkValues(reply string) (values []string, ok bool) {
	head, rest, _ := strings.Cut(reply, "\r\n")
	n, err := strconv.Atoi(strings.TrimPrefix(head, "*"))
	if err != nil || !strings.HasPrefix(head, "*") {
		return nil, false
	}
	for range n {
		head, rest, _ = strings.Cut(rest, "\r\n")
		if head == "$-1" {
			values = append(values, "")
			continue
		}
		var value string
		value, rest, _ = strings.Cut(rest, "\r\n") // the values have no line breaks
		values = append(values, value)
	}
	return values, true
}
