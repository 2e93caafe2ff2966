package feature

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a catalogue file, in bytes: some 200,000 features.
const maxFile = 32 << 20

// Load reads a catalogue from a YAML file. Its error joins one [Problem] for
// everything that is wrong. Names that collide are no error: they are in
// Warnings, and are not cached.
func Load(file string) (*Catalogue, error) {
	content, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, content)
}

// Parse is Load of content that was read from file.
func Parse(file string, content []byte) (*Catalogue, error) {
	catalogue, problems := parse(file, content)
	if len(problems) == 0 {
		return catalogue, nil
	}
	all := make([]error, len(problems))
	for i, p := range problems {
		all[i] = p
	}
	return nil, errors.Join(all...)
}

// Lint tells everything that is wrong with a file, by line. Here names that
// collide are an error. It fails only if the file cannot be read.
func Lint(file string) ([]Problem, error) {
	content, err := readFile(file)
	if err != nil {
		return nil, err
	}
	catalogue, problems := parse(file, content)
	for _, warning := range catalogue.Warnings() {
		warning.Warning = false
		problems = append(problems, warning)
	}
	byLine(problems)
	return problems, nil
}

func byLine(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the feature catalogue: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the feature catalogue: %w", err)
	}
	if len(content) > maxFile {
		return nil, Problem{File: file, Text: fmt.Sprintf("longer than %d bytes; put what features have in common into groups", maxFile)}
	}
	return content, nil
}

// parse makes a catalogue of what is right in the content, and tells what is
// not.
func parse(file string, content []byte) (*Catalogue, []Problem) {
	r := &reader{file: file}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var root yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		r.add(0, "", "holds no catalogue; write at least `scheme: xxhash32`")
		return Empty(), r.problems
	case err != nil:
		r.add(0, "", "is no YAML: %v", err)
		return Empty(), r.problems
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.add(0, "", "holds more than one YAML document; put all features into the first")
	}
	d := r.document(root.Content[0])
	listed := d.resolve(r)
	listed.sum = sha256.Sum256(content)
	byLine(r.problems)
	return listed.catalogue(), r.problems
}
