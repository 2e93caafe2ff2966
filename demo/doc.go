// Package demo is what `fsproxy demo` shows the proxy with: a feature store and
// its clients, all in this process, with data made up from a seed.
//
//	features.go       the features of stores, consumers and drivers, and their values
//	catalogue.go      their names and types, as a feature catalogue
//	data.go           the entities, and how they get into the fleet
//	models.go         what a dozen models ask for
//	fleet.go          fetchers, and the RCM that tells where they are
//	stream.go         a Kafka broker with the topic of updates
//	changes.go        uploads with their markers, and updates
//	keys.go           what is typed meanwhile: a fetcher is killed or revived
//	load.go           predictions, one pipeline of HMGETs each
//	drawing.go        which models and entities they are for
//	pace.go           how often
//	reading.go        what the proxy has counted
//	table.go          readings as text
//	screen.go         a line that is rewritten in place
//	introduction.go   what runs, and what to try
//
// The package does not know the proxy: it talks to it over a socket, and is
// handed what it counts. The command line is cmd/fsproxy.
package demo
