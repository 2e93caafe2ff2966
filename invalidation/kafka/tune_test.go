package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/fsproxy/fsproxy/invalidation"
)

// A password that was wrong, and is put right while the source runs, is presented by
// the connections to come.
func TestAPasswordThatIsChangedIsPresentedNext(t *testing.T) {
	k := newKafka(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "reader", "secret"))
	cfg := Config{}
	r := newRig(t, k, func(c *Config) {
		c.SASL = SASL{Mechanism: "plain", Username: "reader", Password: "hunter2"}
		cfg = *c
	}).run()
	r.until("refused", func() bool { return r.status().Error != "" })
	cfg.SASL.Mechanism = "gssapi"
	if _, err := r.source.Tune(cfg); err == nil {
		t.Fatal("a mechanism that there is not is taken over")
	}
	cfg.SASL = SASL{Mechanism: "plain", Username: "reader", Password: "secret"}
	apply, err := r.source.Tune(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.source.Config().SASL.Password != "hunter2" {
		t.Error("something is in force before it is applied")
	}
	apply()
	r.until("trusted", func() bool { return r.status().State == invalidation.StateTrusted })
}
