package cluster

import (
	"net"
	"testing"
)

func TestRedirectionReadsWhereARequestBelongs(t *testing.T) {
	const from = "10.0.0.1:6379"
	for _, c := range []struct {
		reply, from string
		kind        Whereto
		addr        string
	}{
		{"-MOVED 3999 127.0.0.1:6381\r\n", from, Moved, "127.0.0.1:6381"},
		{"-ASK 3999 127.0.0.1:6381\r\n", from, Ask, "127.0.0.1:6381"},
		{"-MOVED 3999 ::1:6381\r\n", from, Moved, "[::1]:6381"},
		{"-MOVED 3999 [::1]:6381\r\n", from, Moved, "[::1]:6381"},
		{"-MOVED 3999 fe80::1%eth0:6381\r\n", from, Moved, "[fe80::1%eth0]:6381"},
		{"-MOVED 3999 :6381\r\n", from, Moved, "10.0.0.1:6381"},
		{"-MOVED 3999 :6381\r\n", "[::1]:6379", Moved, "[::1]:6381"},
		{"-MOVED 3999 store.example:6381\r\n", from, Moved, "store.example:6381"},
		{"-MOVED 3999 :6381\r\n", "unix:///run/store.sock", Here, ""},
		{"-LOADING Redis is loading the dataset in memory\r\n", from, Elsewhere, ""},
		{"-CLUSTERDOWN Hash slot not served\r\n", from, Elsewhere, ""},
		{"-MASTERDOWN Link with MASTER is down\r\n", from, Elsewhere, ""},
		{"-ERR max number of clients reached\r\n", from, Elsewhere, ""},
		{"-ERR max number of clients + cluster connections reached\r\n", from, Elsewhere, ""},
		{"-DENIED Redis is running in protected mode\r\n", from, Elsewhere, ""},
		{"-ERR maximum\r\n", from, Here, ""},
		{"-WRONGTYPE Operation against a key\r\n", from, Here, ""},
		{"-ERR MOVED 1 a:1\r\n", from, Here, ""},
		{"-MOVED\r\n", from, Here, ""},
		{"-MOVED 1\r\n", from, Here, ""},
		{"-MOVED 1 \r\n", from, Here, ""},
		{"-MOVED 1 host\r\n", from, Here, ""},
		{"-MOVED 1 host:\r\n", from, Here, ""},
		{"-MOVED 1 host:0\r\n", from, Here, ""},
		{"-MOVED 1 host:65536\r\n", from, Here, ""},
		{"-MOVED 1 host:-1\r\n", from, Here, ""},
		{"-MOVED 1 host:http\r\n", from, Here, ""},
		{"-MOVED 1 ho st:1\r\n", from, Here, ""},
		{"-MOVED 1 ?:1\r\n", from, Here, ""},
		{"-MOVED 1 a\x00b:1\r\n", from, Here, ""},
		{"-\r\n", from, Here, ""},
		{"-", from, Here, ""},
		{"", from, Here, ""},
	} {
		kind, addr := Redirection([]byte(c.reply), c.from)
		if kind != c.kind || addr != c.addr {
			t.Errorf("%q from %s: got %d %q, want %d %q", c.reply, c.from, kind, addr, c.kind, c.addr)
		}
	}
}

// Whatever a fetcher says, the address to go to is one that can be dialled.
func FuzzRedirection(f *testing.F) {
	for _, reply := range []string{
		"-MOVED 3999 127.0.0.1:6381\r\n", "-ASK 1 ::1:1\r\n", "-MOVED 1 :1\r\n", "-MOVED 1 [::1]:1\r\n",
		"-LOADING\r\n", "-MOVED \xff \x00:1\r\n", "-MOVED 1 []:1\r\n", "-MOVED 1 [:1\r\n", "-MOVED 1 unix:///a:1\r\n",
	} {
		f.Add([]byte(reply), "10.0.0.1:6379")
		f.Add([]byte(reply), "unix:///a")
	}
	f.Fuzz(func(t *testing.T, reply []byte, from string) {
		kind, addr := Redirection(reply, from)
		if kind != Moved && kind != Ask {
			if addr != "" {
				t.Fatalf("%q: kind %d with an address %q", reply, kind, addr)
			}
			return
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			t.Fatalf("%q: %q is no address: %v", reply, addr, err)
		}
		if err := CheckAddress(addr); err != nil {
			t.Fatalf("%q: %v", reply, err)
		}
	})
}
