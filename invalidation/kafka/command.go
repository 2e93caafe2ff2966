package kafka

import (
	"bytes"
	"errors"
	"strings"

	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/resp"
)

// Reasons for which commands cannot be read.
var (
	errCommandFrame = errors.New("not a command, or cut off")
	errCommandName  = errors.New("a command that is not known to change a hash")
	errCommandForm  = errors.New("a command with the wrong number of arguments")
	errCommandNone  = errors.New("no command")
)

// commandParser reads the commands that the store was sent, one behind another:
// arrays of bulk strings, or lines.
type commandParser struct {
	limits resp.Limits
}

func newCommandParser() commandParser {
	return commandParser{limits: resp.Limits{
		Arguments: 2 * maxChanges, BulkBytes: maxRecordBytes, InlineBytes: maxRecordBytes, RequestBytes: maxRecordBytes,
	}}
}

func (c commandParser) parse(value []byte) (change, error) {
	reader := resp.NewParser(c.limits)
	var said change
	var failed error
	commands := 0
	// A command written by hand is seldom ended.
	if len(value) > 0 && value[0] != '*' && value[len(value)-1] != '\n' {
		value = append(bytes.Clone(value), '\r', '\n')
	}
	for len(value) > 0 {
		n, err := reader.Next(value)
		if err != nil || n <= 0 {
			failed = errCommandFrame
			break
		}
		if arguments := reader.Args(); len(arguments) > 0 {
			commands++
			if err := said.command(arguments); err != nil {
				failed = err // others may follow that can be read
			}
		}
		value = value[n:]
		if len(said.updates) > maxChanges {
			return said, errTooMany
		}
	}
	if failed == nil && commands == 0 {
		failed = errCommandNone
	}
	return said, failed
}

// verb is what a command does to the hashes that it names.
type verb uint8

const (
	verbSet     verb = iota + 1 // key field value field value …
	verbSetOnce                 // key field value, perhaps without effect
	verbAdd                     // key field amount
	verbUnset                   // key field field …
	verbKeys                    // key key …
	verbKey                     // key and whatever else
	verbTwo                     // key key and whatever else
	verbAll
	verbNothing // frames others
)

var verbs = map[string]verb{
	"HSET": verbSet, "HMSET": verbSet, "HSETNX": verbSetOnce, "HINCRBY": verbAdd, "HINCRBYFLOAT": verbAdd,
	"HDEL": verbUnset, "DEL": verbKeys, "UNLINK": verbKeys,
	"EXPIRE": verbKey, "PEXPIRE": verbKey, "EXPIREAT": verbKey, "PEXPIREAT": verbKey, "PERSIST": verbKey,
	"HEXPIRE": verbKey, "HPEXPIRE": verbKey, "HEXPIREAT": verbKey, "HPEXPIREAT": verbKey, "HPERSIST": verbKey,
	"HSETEX": verbKey, "HGETDEL": verbKey, "HGETEX": verbKey, "RESTORE": verbKey,
	"RENAME": verbTwo, "RENAMENX": verbTwo, "COPY": verbTwo,
	"FLUSHALL": verbAll, "FLUSHDB": verbAll, "MULTI": verbNothing, "EXEC": verbNothing,
}

// command adds what one command does. Its arguments alias the record.
func (c *change) command(arguments [][]byte) error {
	verb, known := verbs[strings.ToUpper(string(arguments[0]))]
	rest := arguments[1:]
	switch {
	case !known:
		// Whatever it is, what it names first is nearly always what it changes.
		c.keys(rest[:min(len(rest), 1)])
		return errCommandName
	case verb == verbAll:
		c.all = true
		return nil
	case verb == verbNothing:
		return nil
	case len(rest) == 0:
		return errCommandForm
	}
	switch verb {
	case verbKey:
		c.keys(rest[:1])
		return nil
	case verbKeys:
		c.keys(rest)
		return nil
	case verbTwo:
		c.keys(rest[:min(len(rest), 2)])
		if len(rest) < 2 {
			return errCommandForm
		}
		return nil
	}
	u := update{entity: rest[0]}
	if !u.fields(verb, rest[1:]) {
		c.keys(rest[:1])
		return errCommandForm
	}
	c.updates = append(c.updates, u)
	return nil
}

// keys adds entities that are forgotten whole.
func (c *change) keys(entities [][]byte) {
	for _, entity := range entities {
		c.updates = append(c.updates, update{entity: entity, whole: true})
	}
}

// fields adds what a command does to fields; false: it has the wrong form.
func (u *update) fields(v verb, arguments [][]byte) bool {
	switch v {
	case verbSet:
		if len(arguments) == 0 || len(arguments)%2 != 0 {
			return false
		}
		for i := 0; i < len(arguments); i += 2 {
			u.put(invalidation.Value{Feature: arguments[i], Bytes: arguments[i+1]})
		}
	case verbSetOnce, verbAdd:
		if len(arguments) != 2 {
			return false
		}
		u.doubt(arguments[0])
	case verbUnset:
		if len(arguments) == 0 {
			return false
		}
		for _, field := range arguments {
			u.put(invalidation.Value{Feature: field, Nil: true})
		}
	}
	return true
}
