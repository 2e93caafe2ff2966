package config

import (
	"errors"
	"fmt"

	"github.com/fsproxy/fsproxy/feature"
)

// maxCatalogueProblems is how many problems of a catalogue are repeated beside
// those of the options. `fsproxy features lint` prints all.
const maxCatalogueProblems = 10

const keyFeaturesFile = "features_file"

func featureOptions() []Option {
	return []Option{{
		Key:     keyFeaturesFile,
		Form:    words("file", acceptedFile),
		Meaning: "The feature catalogue, a YAML file: names, types, ages; empty: none, and every feature goes by the options here. What is in it is reloaded, but for its scheme",
	}}
}

// Catalogue is what features_file held when the configuration was loaded, or
// the empty catalogue.
func (c *Config) Catalogue() *feature.Catalogue {
	if c.catalogue == nil {
		return feature.Empty()
	}
	return c.catalogue
}

// catalogueChanged tells whether the file holds another catalogue than it did.
func (c *Config) catalogueChanged(later *Config) bool {
	return !c.Catalogue().Same(later.Catalogue())
}

// checkFeatures reads the catalogue.
func (l *loader) checkFeatures() {
	const key = keyFeaturesFile
	file := l.config.FeaturesFile
	if file == "" || l.faulty[key] {
		return
	}
	catalogue, err := feature.Load(file)
	if err == nil {
		l.config.catalogue = catalogue
		return
	}
	problems := []error{err}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		problems = several.Unwrap()
	}
	for i, problem := range problems {
		if i == maxCatalogueProblems {
			problem = fmt.Errorf("and %d more; `fsproxy features lint %s` prints all", len(problems)-i, file)
		}
		reason := problem.Error()
		if !errors.As(problem, new(feature.Problem)) {
			reason += "; accepted: " + acceptedFile
		}
		l.problems = append(l.problems, newProblem(key, file, reason, l.config.origin(key)))
		if i == maxCatalogueProblems {
			return
		}
	}
}

// catalogueWarnings tell of features that are not cached because their names
// collide.
func (c *Config) catalogueWarnings() []string {
	var warnings []string
	for _, warning := range c.Catalogue().Warnings() {
		warnings = append(warnings, "features_file: "+warning.Error())
	}
	return warnings
}
