package main

import (
	"errors"
	"net"
	"time"
)

// canary is the two ends of a connection that shows whether the network lets it through.
func canary(args []string) error {
	if len(args) != 2 {
		return errors.New("serve and dial take an address")
	}
	if args[0] == "serve" {
		listener, err := net.Listen("tcp", args[1])
		if err != nil {
			return err
		}
		for {
			connection, err := listener.Accept()
			if err != nil {
				return err
			}
			_ = connection.Close()
		}
	}
	connection, err := net.DialTimeout("tcp", args[1], 3*time.Second)
	if err != nil {
		return err
	}
	return connection.Close()
}
