package config

import (
	"errors"
	"strings"
)

// maxPasswordBytes bounds a password file: a path that leads to something else
// than a password must not be read whole, or sent to the store.
const maxPasswordBytes = 64 << 10

// Password is what password_file held when the configuration was loaded, and
// whether there is one. Nothing prints it: not fmt, not a log, not [Effective].
func (u Upstream) Password() (password string, given bool) {
	if u.password == nil {
		return "", false
	}
	return *u.password, true
}

// readPassword reads a file without the line break that editors, and echo, put
// at its end.
func readPassword(path string) (string, error) {
	text, err := readBounded(path, maxPasswordBytes)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case password == "":
		return "", errors.New("the file is empty")
	case strings.ContainsAny(password, "\r\n\x00"):
		return "", errors.New("the file has more than one line")
	}
	return password, nil
}
