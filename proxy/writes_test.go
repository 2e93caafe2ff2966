package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// changes are ways to change h's field f, which is "old", and what a read finds
// then.
var changes = []struct{ name, write, then string }{
	{"HSET", cmd("HSET h f new"), "new"},
	{"HDEL", cmd("HDEL h f"), "-"},
	{"HINCRBY", cmd("HSET h f 1") + cmd("HINCRBY h f 6"), "7"},
	{"DEL", cmd("DEL h"), "-"},
	{"UNLINK of several", cmd("UNLINK x h y"), "-"},
	{"RENAME away", cmd("RENAME h g"), "-"},
	{"RENAME onto", cmd("HSET g f new") + cmd("RENAME g h"), "new"},
	{"COPY onto", cmd("HSET g f new") + cmd("COPY g h REPLACE"), "new"},
	{"EXPIRE in the past", cmd("EXPIRE h -1"), "-"},
	{"FLUSHALL", cmd("FLUSHALL"), "-"},
	{"FLUSHDB", cmd("flushdb"), "-"},
	{"MULTI", cmds("MULTI", "HSET h f between", "HSET h f new", "EXEC"), "new"},
	{"WATCH", cmds("WATCH h", "HGET h f", "MULTI", "DEL h", "EXEC"), "-"},
	{"MULTI FLUSHALL", cmds("MULTI", "FLUSHALL", "EXEC"), "-"},
	{"EVAL", evalHSET("new"), "new"},
}

func evalHSET(value string) string {
	script := "return redis.call('HSET',KEYS[1],'f',ARGV[1])"
	return "*5\r\n" + bulk("EVAL") + bulk(script) + bulk("1") + bulk("h") + bulk(value)
}

// A write through the proxy is visible to the next read: in the same pipeline,
// in the next request, and from another connection once the write is answered.
func TestWriteIsVisibleToTheNextRead(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			store := miniredis.RunT(t)
			store.HSet("h", "f", "old")
			s := newStack(t, store.Addr())
			writer, reader := s.dial(), s.dial()
			for _, p := range []*peer{writer, reader, writer} {
				p.wantsDone("HMGET h f", array("old")) // in the cache from here on
			}
			if s.hits() == 0 {
				t.Fatal("the value is not in the cache: nothing is tried")
			}
			writer.send(cmd("HMGET h f") + c.write + cmd("HMGET h f"))
			writer.wants(array("old"))
			for range strings.Count(c.write, "*") {
				if reply := writer.reply(); strings.HasPrefix(reply, "-") {
					t.Fatalf("the write failed: %q", reply)
				}
			}
			writer.wants(array(c.then))
			reader.wantsDone("HMGET h f", array(c.then))
			writer.wantsDone("HGET h f", strings.TrimPrefix(array(c.then), "*1\r\n"))
		})
	}
}

// A command of which nothing is known may write what its first arguments name.
func TestUnknownCommandInvalidatesWhatItNames(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmd("HMGET h f"))
	store.wants("HMGET h f").reply(array("old"))
	p.wants(array("old"))
	p.send(cmd("FROBNICATE h"))
	store.wants("FROBNICATE h").reply("+OK\r\n")
	p.wants("+OK\r\n")
	p.send(cmd("HMGET h f"))
	store.wants("HMGET h f").reply(array("new"))
	p.wants(array("new"))
}

// A write that got no answer may have been carried out.
func TestWriteWithoutAnAnswerInvalidates(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmd("HMGET h f"))
	store.wants("HMGET h f").reply(array("old"))
	p.wants(array("old"))
	p.send(cmd("HSET h f new"))
	store.wants("HSET h f new")
	store.hangUp()
	p.wantsError("ended")
	p.send(cmd("HMGET h f"))
	store.wants("HMGET h f").reply(array("new"))
	p.wants(array("new"))
}

// Within settle of a write, reads are answered and not kept: a replica may still
// have the old value.
func TestNothingIsKeptWithinSettleOfAWrite(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr, func(s *setup) { s.proxy.WriteSettle = time.Hour })
	p := s.dial()
	p.send(cmd("HSET h f new"))
	store.wants("HSET h f new").reply(":1\r\n")
	p.wants(":1\r\n")
	for _, value := range []string{"old", "old", "new"} {
		p.send(cmd("HMGET h f"))
		store.wants("HMGET h f").reply(array(value))
		p.wants(array(value))
	}
}

// A read behind a write of its connection that is not answered yet does not
// overtake it.
func TestReadDoesNotOvertakeAWrite(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmd("HSET h f new") + cmd("HMGET h f"))
	write := store.wants("HSET h f new")
	read := store.wants("HMGET h f")
	if read.nc != write.nc {
		t.Fatal("the read went over another connection than the write before it")
	}
	read.reply(":1\r\n" + array("new"))
	p.wants(":1\r\n", array("new"))
}

// A write does not overtake a miss before it, which could see it then.
func TestWriteDoesNotOvertakeAMiss(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("HMGET h f") + cmd("HSET h f new"))
	miss := store.wants("HMGET h f")
	time.Sleep(20 * time.Millisecond)
	if n := store.asked("HSET"); n != 0 {
		t.Fatal("the write left before the miss was answered")
	}
	miss.reply(array("old"))
	store.wants("HSET h f new").reply(":0\r\n")
	p.wants(array("old"), ":0\r\n")
}

// What connections write and read at the same time never lets a connection see
// an older value than it wrote itself.
func TestConnectionsReadTheirOwnWrites(t *testing.T) {
	store := miniredis.RunT(t)
	s := newStack(t, store.Addr())
	const connections, rounds = 6, 60
	failed := make(chan string, connections)
	for c := range connections {
		p := s.dial()
		go func() {
			for i := range rounds {
				field := fmt.Sprint("f", c)
				want := fmt.Sprint("v", i)
				p.send(cmds("HMGET h "+field, "HSET h "+field+" "+want, "HMGET h "+field, "HMGET h f0 f1 f2 f3 f4 f5"))
				for range 2 {
					if _, err := p.next(); err != nil {
						failed <- err.Error()
						return
					}
				}
				mine, _ := p.next()
				all, err := p.next()
				if err != nil || mine != array(want) || !strings.Contains(all, bulk(want)) {
					failed <- fmt.Sprintf("wrote %s, read %q and %q: %v", want, mine, all, err)
					return
				}
			}
			failed <- ""
		}()
	}
	for range connections {
		if why := <-failed; why != "" {
			t.Error(why)
		}
	}
}

// What is fetched while a slow write is under way may be older than the write:
// once the write is answered, it is gone.
func TestValueFetchedDuringASlowWriteIsNotKept(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	writer, reader := s.dial(), s.dial()
	writer.send(cmd("HSET h f new"))
	write := store.wants("HSET h f new")
	settle()
	reader.send(cmd("HMGET h f"))
	store.wants("HMGET h f").reply(array("old"))
	reader.wants(array("old"))
	reader.wantsDone("HMGET h f", array("old")) // from memory: settle is over
	write.reply(":0\r\n")
	writer.wants(":0\r\n")
	reader.send(cmd("HMGET h f"))
	store.wants("HMGET h f").reply(array("new"))
	reader.wants(array("new"))
}
