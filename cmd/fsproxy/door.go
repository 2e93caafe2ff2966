package main

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// door is a listener whose encryption may change: that of a connection is the one in
// force when it came.
type door struct {
	net.Listener
	encryption atomic.Pointer[tls.Config] // nil: none
}

func newDoor(l net.Listener, encryption *tls.Config) *door {
	d := &door{Listener: l}
	d.encryption.Store(encryption)
	return d
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	nc, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if encryption := d.encryption.Load(); encryption != nil {
		return tls.Server(nc, encryption), nil
	}
	return nc, nil
}
