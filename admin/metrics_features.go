package admin

import (
	"github.com/fsproxy/fsproxy/cache"
)

// featureMetrics are those of single features, for as many as metrics.features
// says: a series costs a scrape some microseconds, and those who keep it more.
var featureMetrics = []metric{
	{"fsproxy_feature_fields_total", counter, []string{"feature", "result"}, "Fields asked for, of the features that are asked for most (metrics.features says how many): hit, miss (fetched). Which features these are changes with what is asked for.", func(s *scrape, emit emit) {
		for _, f := range s.features {
			emit(float64(f.Hits), f.label, "hit")
			emit(float64(f.Misses), f.label, "miss")
		}
	}},
	{"fsproxy_feature_suspended", gauge, []string{"feature"}, "1 where one of those features is fetched each time because what invalidates it is not trusted.", func(s *scrape, emit emit) {
		for _, f := range s.features {
			emit(oneIf(f.Suspended), f.label)
		}
	}},
	{"fsproxy_feature_undecoded_total", counter, []string{"feature"}, "Values of those features that did not decode by the catalogue, and were served as stored.", func(s *scrape, emit emit) {
		for _, f := range s.features {
			if f.Undecoded > 0 { // nearly none has any
				emit(float64(f.Undecoded), f.label)
			}
		}
	}},
}

// configMetrics are of the configuration.
var configMetrics = []metric{
	{"fsproxy_config_reloads_total", counter, []string{"result"}, "Readings of the configuration file while the process ran: ok, error (the old configuration stays in force).", func(s *scrape, emit emit) {
		emit(float64(s.reload.Count-s.reload.Failures), "ok")
		emit(float64(s.reload.Failures), "error")
	}},
	{"fsproxy_config_last_reload_successful", gauge, nil, "0 where the configuration file was changed and not taken over.", func(s *scrape, emit emit) {
		emit(oneIf(s.reload.OK))
	}},
	{"fsproxy_config_restart_needed", gauge, nil, "Options that the file has otherwise than the process, which a restart would take over.", func(s *scrape, emit emit) {
		emit(float64(len(s.reload.Restart)))
	}},
	{"fsproxy_mode", gauge, []string{"mode"}, "1 for the mode in force: off, dry-run, live.", func(s *scrape, emit emit) {
		for _, mode := range modes {
			emit(oneIf(mode == s.mode), string(mode))
		}
	}},
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// labelled is a feature that has series of its own.
type labelled struct {
	cache.FeatureView
	label string
}

// mostAsked are the features that have series of their own, under their names
// where these are known. No two have the same label.
func mostAsked(sources *Sources) []labelled {
	most := sources.Config().Metrics.Features.Most()
	if most == 0 {
		return nil
	}
	views := sources.Cache.Features()
	if most > 0 && most < len(views) {
		sortByDemand(views)
		views = views[:most]
	}
	// No name takes what another feature may need: its field.
	taken := make(map[string]bool, len(views))
	for _, view := range views {
		taken[fieldText(view.Name)] = true
	}
	all := make([]labelled, len(views))
	for i, view := range views {
		label := nameOf(sources.Names, view.Name)
		if label == "" || taken[label] {
			label = fieldText(view.Name)
		}
		taken[label] = true
		all[i] = labelled{view, label}
	}
	return all
}
