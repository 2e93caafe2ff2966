package session

import (
	"bytes"
	"fmt"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// quoted is how much of a client's words Redis repeats in an error, in bytes.
const quoted = 128

// Errors that several commands share, word for word.
const (
	errSyntax     = "ERR syntax error"
	errNotInteger = "ERR value is not an integer or out of range"
)

// AppendUnknownCommand appends Redis' error for a command that does not exist,
// the beginning of its arguments quoted. Lettuce and rueidis recognize a server
// without HELLO by it.
func AppendUnknownCommand(out []byte, args [][]byte) []byte {
	var name []byte
	if len(args) > 0 {
		name = args[0]
	}
	var rest []byte
	for i := 1; i < len(args) && len(rest) < quoted; i++ {
		rest = append(rest, '\'')
		// The bound is on all arguments together, so the last one may be cut.
		rest = append(rest, cString(args[i], quoted-len(rest)+1)...)
		rest = append(rest, '\'', ' ')
	}
	return resp.AppendError(out, fmt.Sprintf("ERR unknown command '%s', with args beginning with: %s", cString(name, quoted), rest))
}

// appendUnknownSubcommand is the same for a subcommand; args has at least two
// elements.
func appendUnknownSubcommand(out []byte, args [][]byte) []byte {
	return resp.AppendError(out, fmt.Sprintf("ERR unknown subcommand '%s'. Try %s HELP.", cString(args[1], quoted), bytes.ToUpper(args[0])))
}

// AppendWrongArity appends Redis' error for a number of arguments that cmd does
// not take.
func AppendWrongArity(out []byte, cmd *command.Command) []byte {
	return resp.AppendError(out, "ERR "+wrongArity(cmd))
}

func wrongArity(cmd *command.Command) string {
	return "wrong number of arguments for '" + cmd.Name + "' command"
}

// AppendRefused appends the error for a command of class Refused: the one that
// Redis gives to a user who may not run it, which clients take as final.
func AppendRefused(out []byte, cmd *command.Command) []byte {
	return resp.AppendError(out, "NOPERM This user has no permissions to run the '"+cmd.Name+"' command")
}

// cString cuts b to n bytes and at its first zero byte, as C prints strings.
func cString(b []byte, n int) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b[:min(len(b), max(n, 0))]
}

func appendError(out []byte, text string) ([]byte, Effect) {
	return resp.AppendError(out, text), 0
}

func appendOK(out []byte) ([]byte, Effect) { return append(out, "+OK\r\n"...), 0 }

// is compares an argument with a word in lower case, in any case.
func is(arg []byte, word string) bool {
	return len(arg) == len(word) && bytes.EqualFold(arg, []byte(word))
}
