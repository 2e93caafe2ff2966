package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/fsproxy/fsproxy/admin/client"
	"github.com/fsproxy/fsproxy/config"
)

// adminFlags say which running fsproxy is asked.
type adminFlags struct{ address, tokenFile string }

// tokenVariable holds the admin token where --token-file does not name it.
const tokenVariable = config.TokenVariable

// addressVariable is that of admin.address, and fileVariable that of
// admin.token_file: in the container of a sidecar they tell where it answers, and
// where its token is.
const (
	addressVariable = "FSPROXY_ADMIN_ADDRESS"
	fileVariable    = "FSPROXY_ADMIN_TOKEN_FILE"
)

func (f *adminFlags) add(flags *pflag.FlagSet) {
	usual := os.Getenv(addressVariable)
	if usual == "" {
		usual = config.Default().Admin.Address
	}
	flags.StringVar(&f.address, "admin", usual, "admin `address` of the fsproxy, host:port or URL")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` of the admin token; without it, "+tokenVariable+" is the token, or is in the file that "+fileVariable+" names")
}

// client is whom to ask; close it.
func (f *adminFlags) client() (*client.Client, error) {
	file, token := f.tokenFile, ""
	if file == "" {
		file, token = os.Getenv(fileVariable), os.Getenv(tokenVariable)
	}
	if token == "" {
		var err error
		if token, err = client.ReadToken(file); err != nil {
			return nil, err
		}
	}
	c, err := client.New(f.address, token)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// refused says who did not do what was asked.
func (f *adminFlags) refused(err error) error {
	if r := (*client.Refused)(nil); errors.As(err, &r) {
		return fmt.Errorf("%s: %w", f.address, err)
	}
	return err
}
