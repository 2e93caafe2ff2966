package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
)

// columns are what a table may have: how each cell that is not empty is taken.
var columns = map[string]func(f *Feature, cell string) error{
	"name":             func(f *Feature, cell string) error { f.Name = cell; return nil },
	"type":             func(f *Feature, cell string) error { f.Type = codec.Type(cell); return nil },
	"encoding":         func(f *Feature, cell string) error { f.Encoding = codec.Encoding(cell); return nil },
	"feast_type":       func(f *Feature, cell string) error { f.FeastType = codec.FeastType(cell); return nil },
	"source":           func(f *Feature, cell string) error { f.Source = feature.Source(cell); return nil },
	"group":            func(f *Feature, cell string) error { f.Group = cell; return nil },
	"max_age":          func(f *Feature, cell string) error { f.MaxAge = cell; return nil },
	"negative_max_age": func(f *Feature, cell string) error { f.NegativeMaxAge = cell; return nil },
	"stale_if_error":   func(f *Feature, cell string) error { f.StaleIfError = cell; return nil },
	"dimension":        func(f *Feature, cell string) error { return f.plain("dimension", cell) },
	"bits":             func(f *Feature, cell string) error { return f.plain("bits", cell) },
	"cacheable":        func(f *Feature, cell string) error { return f.plain("cacheable", cell) },
	"default":          func(f *Feature, cell string) error { return f.plain("default", cell) },
}

// FromCSV makes a draft of a table, whose first line names the columns: name, and
// any of the keys that a feature has in the catalogue. Between them stand commas, or
// what spreadsheets write instead: semicolons or tabs. Its error joins all problems,
// each with its line.
func FromCSV(in io.Reader, scheme feature.Scheme) (*Draft, error) {
	table, err := newTable(in)
	if err != nil {
		return nil, err
	}
	header, err := table.Read()
	if err != nil {
		return nil, fmt.Errorf("read the table's header: %w; begin with a line such as name,type,encoding", err)
	}
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	d := &Draft{Scheme: scheme}
	var problems []error
	for {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			if len(d.Features) == 0 && len(problems) == 0 {
				return nil, errors.New("the table has no feature; write each in a line of its own, below the header")
			}
			return d, errors.Join(problems...)
		}
		if err != nil { // names its line
			problems = append(problems, fmt.Errorf("read the table: %w", err))
			if !errors.Is(err, csv.ErrFieldCount) {
				return d, errors.Join(problems...)
			}
			continue
		}
		line, _ := table.FieldPos(0)
		if err := d.addRow(header, cells); err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", line, err))
		}
	}
}

const (
	byteOrderMark = "\ufeff" // spreadsheets begin with it
	// longestHeader is how far a header's first line is looked for, in bytes.
	longestHeader = 4096
)

// newTable finds out what separates the cells of a table.
func newTable(in io.Reader) (*csv.Reader, error) {
	text := bufio.NewReaderSize(in, longestHeader)
	begin, err := text.Peek(longestHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the table: %w", err)
	}
	if bytes.HasPrefix(begin, []byte(byteOrderMark)) {
		_, _ = text.Discard(len(byteOrderMark)) // it is there
	}
	table := csv.NewReader(text)
	table.TrimLeadingSpace = true
	line, _, _ := bytes.Cut(begin, []byte("\n"))
	for _, separator := range ";\t" {
		if !bytes.ContainsRune(line, ',') && bytes.ContainsRune(line, separator) {
			table.Comma = separator
			break
		}
	}
	return table, nil
}

func checkHeader(header []string) error {
	named := false
	for i, column := range header {
		header[i] = strings.TrimSpace(column)
		if columns[header[i]] == nil {
			return fmt.Errorf("the table's column %q is unknown; name each as the key of a feature in the catalogue", header[i])
		}
		if slices.Contains(header[:i], header[i]) {
			return fmt.Errorf("the table has two columns %q; leave one out", header[i])
		}
		named = named || header[i] == "name"
	}
	if !named {
		return errors.New("the table has no column name; name its columns in the first line")
	}
	return nil
}

func (d *Draft) addRow(header, cells []string) error {
	var f Feature
	for i, cell := range cells {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		if err := columns[header[i]](&f, cell); err != nil {
			return err
		}
	}
	if f.Group != "" {
		d.addGroup(Group{Name: f.Group})
	}
	d.Features = append(d.Features, f)
	return nil
}
