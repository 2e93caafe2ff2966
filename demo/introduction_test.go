package demo

import (
	"strings"
	"testing"
)

func TestTheIntroductionFitsATerminalAndNamesWhatRuns(t *testing.T) {
	i := Introduction{
		Data: NewData(1), Features: 507_456, Fleet: newTestFleet(t, 2, 2), Stream: newTestStream(t),
		Proxy: "127.0.0.1:6379", Page: "http://127.0.0.1:9190/",
	}
	text := i.String()
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	entity, features := i.Data.Example()
	for _, want := range []string{
		"4 fetchers in 2 shards: 507,456 features of 12,000 entities", i.Fleet.RCM(), i.Proxy, i.Page, i.Stream.Brokers()[0],
		"redis-cli -p 6379 HMGET " + entity + " " + features[0].ID, features[0].Name, "HGETALL " + entity, "-p 6379 INFO",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
