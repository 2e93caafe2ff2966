package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/fsproxy/fsproxy/admin/api"
)

// Event is one message of the stream of events.
type Event struct {
	Name string
	Data []byte // JSON
}

// Events gives each event to handle until ctx ends, handle fails, or the stream
// does; it says which. Data is valid during the call only.
func (c *Client) Events(ctx context.Context, handle func(Event) error) error {
	response, err := c.send(ctx, call{method: http.MethodGet, path: api.PathEvents})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxAnswer)
	var event Event
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if event.Name != "" {
				if err := handle(event); err != nil {
					return err
				}
			}
			event = Event{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(": "))
		switch string(field) {
		case "event":
			event.Name = strings.Clone(string(value))
		case "data":
			event.Data = append(event.Data, value...)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return fmt.Errorf("the stream of events ended; is fsproxy stopping?")
}
