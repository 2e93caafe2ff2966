package session

import (
	"strings"
	"testing"
)

func TestTheOneNodeIsWhereTheClientReachedIt(t *testing.T) {
	for _, tc := range []struct{ local, announce, host, port string }{
		{"127.0.0.1:6379", "", "127.0.0.1", "6379"},
		{"10.1.2.3:7000", "", "10.1.2.3", "7000"},
		{"[::1]:6379", "", "::1", "6379"},
		{"/run/fsproxy.sock:0", "", "127.0.0.1", "0"},
		{"", "", "127.0.0.1", "0"},
		{":6379", "", "127.0.0.1", "0"}, // never an empty host
		{"127.0.0.1:6379", "fsproxy.local:1234", "fsproxy.local", "1234"},
		{"/run/fsproxy.sock:0", "10.0.0.1:6379", "10.0.0.1", "6379"},
		{"127.0.0.1:6379", "nonsense", "127.0.0.1", "6379"},
	} {
		s := NewServer(Config{Announce: tc.announce})
		c := s.Open("x:1", tc.local, nil)
		reply, _ := ask(c, "cluster slots")
		parts := strings.Split(reply, "\r\n")
		// *1 *3 :0 :16383 *3 $n host :port $40 id
		if len(parts) != 11 || parts[4] != "*3" || parts[3] != ":16383" || parts[6] != tc.host || parts[7] != ":"+tc.port || len(parts[9]) != 40 {
			t.Errorf("%+v: %q", tc, parts)
		}
		if reply, _ := ask(c, "cluster nodes"); !strings.Contains(reply, " "+tc.host+":"+tc.port+"@") {
			t.Errorf("%+v: %q", tc, reply)
		}
		if reply, _ := ask(c, "cluster shards"); !strings.Contains(reply, "\r\nendpoint\r\n$") || !strings.Contains(reply, "\r\n"+tc.host+"\r\n") {
			t.Errorf("%+v: %q", tc, reply)
		}
	}
}

func TestTheNodeHasOneNameEverywhere(t *testing.T) {
	s := NewServer(Config{})
	c := open(s)
	for _, request := range []string{"cluster myid", "cluster slots", "cluster nodes", "cluster shards"} {
		if reply, _ := ask(c, request); !strings.Contains(reply, s.nodeID) {
			t.Errorf("%s: %q", request, reply)
		}
	}
	if reply, _ := ask(c, "cluster replicas "+s.nodeID); reply != "*0\r\n" {
		t.Errorf("%q", reply)
	}
	if reply, _ := ask(c, "cluster count-failure-reports "+s.nodeID); reply != ":0\r\n" {
		t.Errorf("%q", reply)
	}
}
