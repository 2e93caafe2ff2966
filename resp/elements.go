package resp

// Array reads frame, a complete reply, as an array: how many elements it has,
// and their bytes behind one another. False means anything else, a null array
// among it.
func Array(frame []byte) (n int, body []byte, ok bool) {
	if len(frame) == 0 || frame[0] != '*' {
		return 0, nil, false
	}
	n, at := lengthLine(frame)
	if at == 0 || n < 0 {
		return 0, nil, false
	}
	return n, frame[at:], true
}

// Elements splits frame, a complete reply, into its elements when it is an
// array of whatever they are. It appends one offset more than there are
// elements to ends, as BulkArray does. False means anything else, and leaves
// ends as it was.
func Elements(frame []byte, ends []int) ([]int, bool) {
	n, body, ok := Array(frame)
	if !ok {
		return ends, false
	}
	pos := len(frame) - len(body)
	all := append(ends, pos)
	framer := NewFramer(len(frame))
	for range n {
		next := bulkOrNull(frame[pos:])
		if next == 0 {
			var err error
			if next, err = framer.Next(frame[pos:]); err != nil || next == 0 {
				return ends, false
			}
		}
		pos += next
		all = append(all, pos)
	}
	if pos != len(frame) {
		return ends, false
	}
	return all, true
}

// Integer reads frame, a complete reply, as an integer. False means anything
// else.
func Integer(frame []byte) (int64, bool) {
	if len(frame) < len(":0\r\n") || frame[0] != ':' {
		return 0, false
	}
	return ParseInt(frame[1 : len(frame)-2])
}

// Text reads frame, a complete reply, as a bulk or verbatim string, without the
// latter's format. False means anything else, a null among it.
func Text(frame []byte) ([]byte, bool) {
	if len(frame) == 0 || frame[0] != '$' && frame[0] != '=' {
		return nil, false
	}
	n, at := lengthLine(frame)
	if at == 0 || n < 0 || at+n+2 != len(frame) {
		return nil, false
	}
	text := frame[at : at+n]
	const format = len("txt:")
	if frame[0] == '=' && len(text) >= format {
		text = text[format:]
	}
	return text, true
}

// IsBulk tells whether frame, a complete reply, is a bulk string or a null: what
// HGET answers.
func IsBulk(frame []byte) bool { return len(frame) > 0 && bulkOrNull(frame) == len(frame) }
