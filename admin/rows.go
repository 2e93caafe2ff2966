package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fsproxy/fsproxy/warm/peer"
)

// streamRows sends the rows held here to a process that starts, in the format of a
// snapshot. They are values, so that whoever asks has to present the token, from
// this machine too, and the process has to be configured to give them.
func (s *Server) streamRows(w http.ResponseWriter, c *call) error {
	switch {
	case s.sources.Giver == nil:
		return refuse(http.StatusForbidden, "this process gives no rows: warm.rows is false")
	case !c.who.token:
		return refuse(http.StatusUnauthorized, "rows are values: this needs the token that admin.token_file holds, from everywhere")
	}
	gift, err := s.sources.Giver.Begin(c.URL.Query().Get("identity"))
	switch {
	case errors.Is(err, peer.ErrForeign):
		return refuse(http.StatusConflict, "%v", err)
	case err != nil:
		return refuse(http.StatusServiceUnavailable, "%v", err)
	}
	defer gift.End()
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	stopped := make(chan struct{})
	defer close(stopped)
	go func() { // ends with this call
		select {
		case <-s.stopping:
			cancel()
		case <-stopped:
		}
	}()
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := gift.Send(ctx, &rowStream{w, http.NewResponseController(w)}); err != nil {
		s.log.Debug("rows were not given whole", "to", c.who.from, "reason", err)
	}
	return nil
}

// rowStream sends each block at once.
type rowStream struct {
	to      http.ResponseWriter
	control *http.ResponseController
}

func (r *rowStream) Write(b []byte) (int, error) {
	_ = r.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	n, err := r.to.Write(b)
	if err == nil {
		err = r.control.Flush()
	}
	return n, err
}
