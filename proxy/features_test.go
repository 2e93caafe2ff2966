package proxy_test

import (
	"testing"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/rollout"
)

func TestFeaturesAreReadByName(t *testing.T) {
	s := newDecodingStack(t, proxy.View{})
	s.fill()
	s.set("e", "orders", "5")
	s.store.HSet("e", "open", "True")
	p := s.dial()
	names := "FEATURES.GET e eta orders open zone emb stores tags"
	two := "*14\r\n" + bulk("eta") + bulk("0.1") + bulk("orders") + ":5\r\n" + bulk("open") + ":1\r\n" + bulk("zone") + bulk("north") +
		bulk("emb") + array("1", "-2") + bulk("stores") + "*2\r\n:7\r\n:-8\r\n" + bulk("tags") + array("a")
	three := "%7\r\n" + bulk("eta") + ",0.1\r\n" + bulk("orders") + ":5\r\n" + bulk("open") + "#t\r\n" + bulk("zone") + bulk("north") +
		bulk("emb") + "*2\r\n,1\r\n,-2\r\n" + bulk("stores") + "*2\r\n:7\r\n:-8\r\n" + bulk("tags") + array("a")
	for range 2 {
		p.wantsDone(names, two)
		p.wantsDone("features.mget 2 e none eta orders", "*2\r\n*4\r\n"+bulk("eta")+bulk("0.1")+bulk("orders")+":5\r\n"+
			"*4\r\n"+bulk("eta")+"$-1\r\n"+bulk("orders")+"$-1\r\n")
	}
	p.send(cmd("HELLO 3"))
	p.reply()
	for range 2 {
		p.wantsDone(names, three)
		p.wantsDone("FEATURES.MGET 2 e none eta", "*2\r\n%1\r\n"+bulk("eta")+",0.1\r\n%1\r\n"+bulk("eta")+"_\r\n")
	}
	// Where reads go past the cache, and beside other commands.
	p.send(cmds("WATCH k", names, "FEATURES.MGET 1 e eta", "HGET e eta", "UNWATCH"))
	p.wants("+OK\r\n", three, "*1\r\n%1\r\n"+bulk("eta")+",0.1\r\n", bulk("0.10"), "+OK\r\n")
	p.send(cmds("CLIENT REPLY SKIP", names, "PING"))
	p.wants("+PONG\r\n")
	p.wantsDone("SET k v", "+OK\r\n")
	p.wantsError2("FEATURES.GET k eta", "WRONGTYPE")
}

func TestReadsByNameThatAreWrong(t *testing.T) {
	s := newDecodingStack(t, proxy.View{})
	s.fill()
	p := s.dial()
	for words, want := range map[string]string{
		"FEATURES.GET e":              "ERR wrong number of arguments for 'features.get' command",
		"FEATURES.MGET 1 e":           "ERR wrong number of arguments for 'features.mget' command",
		"FEATURES.MGET 0 e eta":       "ERR numentities should be greater than 0",
		"FEATURES.MGET x e eta":       "ERR numentities should be greater than 0",
		"FEATURES.MGET 2 e eta":       "ERR Number of entities can't be greater than number of args",
		"FEATURES.GET e ordres":       `ERR fsproxy: no feature is called "ordres" in the catalogue; did you mean "orders"?`,
		"FEATURES.GET e eta anything": `ERR fsproxy: no feature is called "anything" in the catalogue`,
	} {
		p.wantsError2(words, want)
	}
	p.send(cmds("MULTI", "FEATURES.GET e eta", "EXEC"))
	p.wants("+OK\r\n")
	p.wantsError("ERR Command 'features.get' not allowed inside a transaction")
	p.wantsError("EXECABORT")
}

func TestWithoutACatalogueNamesAreHashed(t *testing.T) {
	s := newDecodingStack(t, proxy.View{}, func(set *setup) {
		set.proxy.Catalogue, set.cache.Policy = nil, nil
		set.proxy.Rollout = rollout.Fixed(config.ModeOff)
	})
	s.store.HSet("e", feature.ID("any"), "1.0")
	s.dial().wantsDone("FEATURES.GET e any", "*2\r\n"+bulk("any")+bulk("1.0"))
}

// What memory holds, however it came there, is decoded once and not fetched again.
func TestReadsByNameAreAnsweredFromMemory(t *testing.T) {
	s := newDecodingStack(t, proxy.View{})
	s.fill()
	s.store.HSet("none", "zone", "south") // an entity without the rest
	p := s.dial()
	p.do("HMGET e " + allNames)
	p.do("HMGET none " + allNames)
	p.send(cmd("FEATURES.GET new eta"))
	p.reply()
	p.do("HMGET new eta") // fetched for a read by name
	s.store.Close()       // memory has to answer from here on
	three := "%3\r\n" + bulk("emb") + "*2\r\n,1\r\n,-2\r\n" + bulk("zone") + bulk("north") + bulk("stores") + "*2\r\n:7\r\n:-8\r\n"
	nils := "%2\r\n" + bulk("zone") + bulk("south") + bulk("emb") + "_\r\n"
	p.send(cmd("HELLO 3"))
	p.reply()
	for range 2 {
		p.wantsDone("FEATURES.GET e emb zone stores", three)
		p.wantsDone("FEATURES.GET none zone emb", nils)
		p.wantsDone("FEATURES.GET new eta", "%1\r\n"+bulk("eta")+"_\r\n")
	}
	p.wantsDone("FEATURES.MGET 2 e none emb", "*2\r\n%1\r\n"+bulk("emb")+"*2\r\n,1\r\n,-2\r\n%1\r\n"+bulk("emb")+"_\r\n")
}

func TestReadsByNameFollowTheCatalogueAndTheStore(t *testing.T) {
	s := newDecodingStack(t, proxy.View{Decoded: true, Arrays: true, Doubles: true, Defaults: true})
	s.fill()
	s.set("e", "orders", "5")
	s.store.HSet("e", "open", "perhaps") // does not decode
	p := s.dial()
	p.send(cmd("HELLO 3"))
	p.reply()
	ask := "FEATURES.GET e eta orders open"
	for range 2 {
		p.wantsDone(ask, "%3\r\n"+bulk("eta")+",0.1\r\n"+bulk("orders")+":5\r\n"+bulk("open")+bulk("perhaps"))
		p.wantsDone("FEATURES.GET none eta orders", "%2\r\n"+bulk("eta")+",0.5\r\n"+bulk("orders")+"_\r\n")
	}
	p.wantsDone("HSET e orders 6 open 1", ":0\r\n")
	for range 2 {
		p.wantsDone(ask, "%3\r\n"+bulk("eta")+",0.1\r\n"+bulk("orders")+":6\r\n"+bulk("open")+"#t\r\n")
	}
	later, err := feature.Parse("f", []byte("scheme: name\nfeatures:\n  - {name: eta, type: string}\n  - {name: orders, type: float}\n  - {name: open, type: int}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.catalogue.TakeOver(later)
	s.cache.Repolicy(s.policy)
	for range 2 {
		p.wantsDone(ask, "%3\r\n"+bulk("eta")+bulk("0.10")+bulk("orders")+",6\r\n"+bulk("open")+":1\r\n")
	}
	p.send(cmds("HELLO 2", ask))
	p.reply()
	p.wants("*6\r\n" + bulk("eta") + bulk("0.10") + bulk("orders") + bulk("6") + bulk("open") + ":1\r\n")
}
