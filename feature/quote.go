package feature

import "fmt"

// Quoted is bytes in quotes as redis-cli reads and prints them: "\xd7\x90\xccQ".
func Quoted(bytes string) string {
	quoted := make([]byte, 0, len(bytes)+2)
	quoted = append(quoted, '"')
	for i := range len(bytes) {
		switch b := bytes[i]; {
		case b == '"' || b == '\\':
			quoted = append(quoted, '\\', b)
		case b < ' ' || b >= 0x7f:
			quoted = fmt.Appendf(quoted, `\x%02x`, b)
		default:
			quoted = append(quoted, b)
		}
	}
	return string(append(quoted, '"'))
}
