package resp

// splitInline splits an inline command without NUL bytes as Redis'
// sdssplitargs does: words between blanks, "double quotes" with \n \r \t \b \a
// \xHH and any escaped byte, 'single quotes' with \' alone. False means
// unbalanced quotes.
func splitInline(args [][]byte, line []byte) ([][]byte, bool) {
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return args, true
		}
		word, next, ok := inlineWord(line, i)
		if !ok {
			return nil, false
		}
		args = append(args, word)
		i = next
	}
}

func inlineWord(line []byte, i int) (word []byte, next int, ok bool) {
	word = make([]byte, 0, 16)
	for i < len(line) {
		c := line[i]
		switch {
		case endsWord(c):
			return word, i, true
		case c == '"' || c == '\'':
			if word, i, ok = quoted(word, line, i); !ok {
				return nil, 0, false
			}
			// A closing quote must end the word.
			if i < len(line) && !isSpace(line[i]) {
				return nil, 0, false
			}
			return word, i, true
		default:
			word = append(word, c)
			i++
		}
	}
	return word, i, true
}

// quoted appends what stands between the quote at line[i] and its partner, and
// returns the offset behind the latter.
func quoted(word, line []byte, i int) ([]byte, int, bool) {
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return word, i + 1, true
		case c == '\\' && quote == '"' && i+3 < len(line) && line[i+1] == 'x' && isHex(line[i+2]) && isHex(line[i+3]):
			word = append(word, unhex(line[i+2])<<4|unhex(line[i+3]))
			i += 3
		case c == '\\' && quote == '"' && i+1 < len(line):
			i++
			word = append(word, unescape(line[i]))
		case c == '\\' && quote == '\'' && i+1 < len(line) && line[i+1] == '\'':
			i++
			word = append(word, '\'')
		default:
			word = append(word, c)
		}
	}
	return nil, 0, false
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

// endsWord tells whether c ends a word outside quotes. Vertical tab and form
// feed do not, though they are blanks between words: so has Redis it.
func endsWord(c byte) bool { return isSpace(c) && c != '\v' && c != '\f' }

func isSpace(c byte) bool { return c == ' ' || (c >= '\t' && c <= '\r') }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
