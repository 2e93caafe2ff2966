package admin

import (
	"fmt"
	"net/http"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/rollout"
)

// shadow is the second store; nil: there is none.
func (s *Sources) shadow() *api.Shadow {
	if s.Compared == nil {
		return nil
	}
	percent, there := s.Compared.ShadowPercent()
	if !there {
		return nil
	}
	stats := s.Compared.Stats()
	answer := &api.Shadow{Addresses: append([]string{}, s.Config().Rollout.Shadow.Addresses...), Percent: percent, Compared: map[string]uint64{}}
	for class := range rollout.Classes {
		answer.Compared[class.String()] = stats.Compared[rollout.KindShadow][class]
	}
	for _, n := range stats.Dropped[rollout.KindShadow] {
		answer.Dropped += n
	}
	return answer
}

// shadowPercent is the second store's share in force; without one, what the
// configuration says.
func (s *Sources) shadowPercent() float64 {
	if s.Compared != nil {
		if percent, there := s.Compared.ShadowPercent(); there {
			return percent
		}
	}
	return s.Config().Rollout.Shadow.Percent
}

func errNoShadow() error {
	return notThere("there is no second store: name it in rollout.shadow.addresses, and start this process again")
}

func (s *Server) getShadow(*call) (any, error) {
	if shadow := s.sources.shadow(); shadow != nil {
		return shadow, nil
	}
	return nil, errNoShadow()
}

// postShadow changes how many of the fetches are repeated at the second store.
func (s *Server) postShadow(c *call) (any, error) {
	var wanted api.SetShadow
	if err := c.read(&wanted); err != nil {
		return nil, err
	}
	before := s.sources.shadow()
	if before == nil {
		return nil, errNoShadow()
	}
	if wanted.Percent == nil || !(*wanted.Percent >= 0 && *wanted.Percent <= wholePercent) {
		return nil, refuse(http.StatusBadRequest, `say {"percent": N}: how many of the fetches are repeated at the second store, a number from 0 to 100, such as 0.1`)
	}
	s.sources.Compared.SetShadow(*wanted.Percent)
	after := s.sources.shadow()
	if before.Percent != after.Percent {
		s.changed(c.who, fmt.Sprintf("second store: percent from %g %% to %g %%", before.Percent, after.Percent))
	}
	return after, nil
}
