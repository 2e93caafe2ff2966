package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
)

func TestVerdictsAreBounded(t *testing.T) {
	v := newVerdicts()
	for i := range 3 * maxVerdicts {
		v.of(&cluster.Credentials{Password: fmt.Sprint(i)}, func() verdict { return verdict{ttl: time.Hour} })
		if len(v.known) > maxVerdicts {
			t.Fatalf("%d are remembered", len(v.known))
		}
	}
}

// What is past its time makes room before anything else does.
func TestOldVerdictsMakeRoomFirst(t *testing.T) {
	v := newVerdicts()
	good := &cluster.Credentials{Password: "good"}
	v.of(good, func() verdict { return verdict{ttl: time.Hour} })
	for i := range 3 * maxVerdicts {
		v.of(&cluster.Credentials{Password: fmt.Sprint(i)}, func() verdict { return verdict{text: "no", ttl: time.Nanosecond} })
	}
	v.of(good, func() verdict { t.Error("asked again"); return verdict{} })
}

// No two different credentials have one verdict.
func TestVerdictsAreOfTheVeryCredentials(t *testing.T) {
	v := newVerdicts()
	asked := 0
	all := []cluster.Credentials{
		{User: "ab", Password: "c", Named: true},
		{User: "a", Password: "bc", Named: true},
		{User: "abc", Named: true},
		{Password: "abc", Named: true},
		{User: "default", Password: "secret", Named: true},
		{User: "default", Password: "secret"},
	}
	for range 2 {
		for i := range all {
			v.of(&all[i], func() verdict { asked++; return verdict{ttl: time.Hour} })
		}
	}
	if asked != len(all) {
		t.Errorf("asked %d times for %d credentials", asked, len(all))
	}
	other := newVerdicts()
	if v.hash(&all[0]) == other.hash(&all[0]) {
		t.Error("two processes have one key")
	}
}
