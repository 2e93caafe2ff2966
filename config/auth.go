package config

import (
	"fmt"
	"time"
)

// Auth is what clients have to present.
type Auth struct {
	Mode         AuthMode      `mapstructure:"mode"`
	PasswordFile string        `mapstructure:"password_file"` // for AuthPassword
	CacheTTL     time.Duration `mapstructure:"cache_ttl"`     // for AuthUpstream
	ShareRows    bool          `mapstructure:"share_rows"`    // for AuthUpstream

	// password is a pointer so that no formatting verb prints what it points at.
	password *string
}

// AuthMode says who may connect.
type AuthMode string

// The modes of auth.
const (
	AuthNone     AuthMode = "none"     // everybody, and so from this machine only
	AuthPassword AuthMode = "password" // who knows the password
	AuthUpstream AuthMode = "upstream" // whom the store knows
)

// Password is what password_file held when the configuration was loaded, and
// whether there is one. Nothing prints it.
func (a Auth) Password() (password string, given bool) {
	if a.password == nil {
		return "", false
	}
	return *a.password, true
}

func authOptions() []Option {
	return []Option{
		{
			Key: "auth.mode", Default: string(AuthNone),
			Form:    choice(AuthNone, AuthPassword, AuthUpstream),
			Meaning: "Who may connect: none is everybody, whatever they present; password is who knows the one in password_file; upstream is whom the store knows, with the user's own rights there",
		},
		{
			Key: "auth.password_file", Reloadable: true, Beside: "auth.mode",
			Form:    words("file", acceptedFile),
			Meaning: "The file that holds the password of clients, a line break at its end aside; for mode password",
		},
		{
			Key: "auth.cache_ttl", Reloadable: true, Default: "1m",
			Form:    durations(0, time.Hour),
			Meaning: "How long the store's yes to a user and password is remembered; for mode upstream",
		},
		{
			Key: "auth.share_rows", Default: "false", Form: boolean(),
			Meaning: "Whether reads of every user are answered from memory, which is right only where all of them may read whatever upstream.username may; otherwise those of that user alone; for mode upstream",
		},
	}
}

// checkAuth holds the options of auth against each other, and what listens
// against them.
func (l *loader) checkAuth() {
	auth := &l.config.Auth
	if l.faulty["auth.mode"] {
		return
	}
	if auth.ShareRows && auth.Mode != AuthUpstream {
		l.add("auth.share_rows", "has no effect unless auth.mode is upstream; accepted: auth.mode upstream beside it, or false")
	}
	l.checkAuthPassword(auth)
	if auth.Mode == AuthNone {
		l.checkLoopback()
	}
}

func (l *loader) checkAuthPassword(auth *Auth) {
	if auth.Mode != AuthPassword {
		if auth.PasswordFile != "" {
			l.add("auth.password_file", "has no effect unless auth.mode is password; accepted: auth.mode password beside it, or empty")
		}
		return
	}
	if auth.PasswordFile == "" {
		if !l.faulty["auth.password_file"] {
			l.add("auth.mode", "a password that nobody has set; accepted: auth.password_file beside it, or none or upstream")
		}
		return
	}
	password, err := readPassword(auth.PasswordFile)
	if err != nil {
		l.add("auth.password_file", err.Error()+"; accepted: a readable file that holds the password")
		return
	}
	auth.password = &password
}

// checkLoopback keeps those that nobody has authenticated on this machine: a
// Unix socket is guarded by its folder.
func (l *loader) checkLoopback() {
	for i, listener := range l.config.Listeners {
		if !listener.isLocal() {
			l.add(fmt.Sprintf("listeners[%d].address", i),
				"other machines could connect, and clients are not authenticated; accepted: "+acceptedListen+"; or auth.mode password or upstream beside it")
		}
	}
}
