package resp

// Limits bound one request. A request past a limit is answered with Redis'
// error text and ends its connection, as in Redis.
type Limits struct {
	Arguments    int // arguments of a command, its name included
	BulkBytes    int // bytes of one argument
	InlineBytes  int // bytes of an inline command's line, and of any length line
	RequestBytes int // bytes of a whole request, its framing included
}

// DefaultLimits are Redis' own where it has one (inline: PROTO_INLINE_MAX_SIZE;
// arguments: the bound that Redis had before 7.0), and fit a sidecar's memory
// where Redis' (512 MiB a bulk) would not.
var DefaultLimits = Limits{
	Arguments:    1 << 20,
	BulkBytes:    64 << 20,
	InlineBytes:  64 << 10,
	RequestBytes: 128 << 20,
}

// Redis' own limits for a client that has not authenticated yet: enough for a
// HELLO with all its options, and no more memory than that.
const (
	strangersArguments = 10
	strangersBulkBytes = 16 << 10
)

// ProtocolError is input that cannot be a request or a reply. Its text is what
// Redis answers, without the leading "ERR ".
type ProtocolError string

func (e ProtocolError) Error() string { return "Protocol error: " + string(e) }

// What Redis says of malformed requests, word for word.
const (
	errMultibulkLength ProtocolError = "invalid multibulk length"
	errBulkLength      ProtocolError = "invalid bulk length"
	errMultibulkLine   ProtocolError = "too big mbulk count string"
	errBulkLine        ProtocolError = "too big bulk count string"
	errInline          ProtocolError = "too big inline request"
	errQuotes          ProtocolError = "unbalanced quotes in request"
	// Redis closes without a word when its query buffer is full; a word is kinder.
	errRequest ProtocolError = "too big request"
	// Redis waits for more and says nothing.
	errInlineNUL ProtocolError = "NUL byte in inline request"

	errStrangersArguments ProtocolError = "unauthenticated multibulk length"
	errStrangersBulk      ProtocolError = "unauthenticated bulk length"
)

// errExpectedBulk names the byte that stands where an argument should begin, as
// it is; AppendError blanks those that would end the line.
func errExpectedBulk(got byte) ProtocolError {
	return ProtocolError("expected '$', got '" + string([]byte{got}) + "'")
}
