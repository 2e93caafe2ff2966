package config

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Endpoint splits the address into what net.Listen takes: "tcp" and host:port,
// or "unix" and a path.
func (l Listener) Endpoint() (network, address string) {
	if path, found := strings.CutPrefix(l.Address, unixScheme); found {
		return "unix", path
	}
	return "tcp", l.Address
}

const (
	unixScheme = "unix://"

	// maxUnixPath, in bytes: sockaddr_un holds 108, the last of them a zero.
	maxUnixPath = 107

	// maxHostName, in bytes, is the longest name that DNS can carry.
	maxHostName = 253
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?$`)

// checkListen accepts what a listener may bind. Whether it may bind it without
// authentication depends on other options.
func checkListen(text string) error {
	if path, found := strings.CutPrefix(text, unixScheme); found {
		return checkUnixPath(path)
	}
	_, _, err := splitHostPort(text)
	return err
}

func checkUnixPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return errors.New("the path of a Unix socket must be absolute, with three slashes")
	case strings.HasSuffix(path, "/"):
		return errors.New("the path of a Unix socket must name a file")
	case len(path) > maxUnixPath:
		return errors.New("the path of a Unix socket has " + strconv.Itoa(len(path)) + " bytes, of at most " + strconv.Itoa(maxUnixPath))
	case strings.ContainsRune(path, 0):
		return errors.New("the path of a Unix socket contains a zero byte")
	}
	return nil
}

// checkDial accepts an address that can be connected to.
func checkDial(text string) error {
	host, port, err := splitHostPort(text)
	switch {
	case err != nil:
		return err
	case host == "":
		return errors.New("the host is missing")
	case port == 0:
		return errors.New("port 0 cannot be connected to")
	}
	return nil
}

// checkAdmin accepts any address that can be bound, or none.
func checkAdmin(text string) error {
	if text == "" {
		return nil
	}
	_, _, err := splitHostPort(text)
	return err
}

func splitHostPort(text string) (host string, port uint16, err error) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, errors.New("not an address with a host and a port")
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, errors.New("the port is not a number from 0 to 65535")
	}
	if !isHost(host) {
		return "", 0, errors.New("the host is neither an IP address nor a name")
	}
	return host, uint16(n), nil
}

// isHost also takes the empty host, which binds every interface.
func isHost(host string) bool {
	if host == "" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if len(host) > maxHostName || !hostName.MatchString(host) {
		return false
	}
	// No top-level domain is a number: 300.1.1.1 is a mistyped IP address.
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	_, err := strconv.Atoi(labels[len(labels)-1])
	return err != nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// sameEndpoint is the form in which two addresses of one socket are equal.
// Port 0 is a new port each time, so it equals nothing: the form is empty.
func sameEndpoint(address string) string {
	host, port, err := splitHostPort(address)
	if err != nil {
		return address // a Unix socket
	}
	if port == 0 {
		return ""
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(strings.ToLower(host), strconv.Itoa(int(port)))
}
