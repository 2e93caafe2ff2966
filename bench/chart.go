package bench

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// The chart's measures, in pixels.
const (
	chartWidth   = 860
	chartLabel   = 190 // left of the bars: the scenarios
	chartValue   = 110 // right of the bars: room for the longest one's value
	chartBar     = 16
	chartGap     = 3  // between the bars of a scenario
	chartSpace   = 20 // between scenarios
	chartHeading = 72 // above the first scenario: title and legend
	chartMargin  = 16
)

// chartColours are the servers' colours; any other server, a target, is grey.
var chartColours = map[string]string{
	redisListpack: "#b8433a", redisHashtable: "#e0938a", twemproxy: "#d9a441", canned: "#9aa5b1", fsproxy: "#2f7d6b",
}

const chartGrey = "#6b7280"

// WriteChart draws the server CPU of a warm command by scenario and server, and
// paler that of the store behind the server, as a self-contained SVG of
// horizontal bars.
func (r *Report) WriteChart(w io.Writer) error {
	groups, servers, longest := r.chartGroups()
	height := chartHeading + chartMargin
	for _, group := range groups {
		height += len(group)*(chartBar+chartGap) + chartSpace
	}
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" fill="#1f2933">`+"\n",
		chartWidth, height, chartWidth, height)
	fmt.Fprintf(&svg, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, height)
	fmt.Fprintf(&svg, `<text x="%d" y="28" font-size="16" font-weight="600">Server CPU of one HMGET, µs (less is better; pale: the store behind it)</text>`+"\n", chartMargin)
	for i, server := range servers {
		x := chartMargin + i*130
		fmt.Fprintf(&svg, `<rect x="%d" y="42" width="12" height="12" fill="%s"/><text x="%d" y="53">%s</text>`+"\n", x, chartColour(server), x+18, html.EscapeString(server))
	}
	scale := (chartWidth - chartLabel - chartValue) / longest
	y := chartHeading
	for _, group := range groups {
		middle := y + (len(group)*(chartBar+chartGap)-chartGap)/2 + 5
		fmt.Fprintf(&svg, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", chartLabel-10, middle, html.EscapeString(group[0].Scenario))
		for _, m := range group {
			width, behind := *m.ServerCPU*scale, m.storeCPU()*scale
			colour := chartColour(m.Server)
			fmt.Fprintf(&svg, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"><title>%s</title></rect>`, chartLabel, y, width, chartBar, colour, html.EscapeString(m.Server))
			value := micros(m.ServerCPU)
			if behind > 0 {
				fmt.Fprintf(&svg, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="0.35"><title>its store</title></rect>`, chartLabel+width, y, behind, chartBar, colour)
				value += " + " + micros(m.StoreCPU)
			}
			fmt.Fprintf(&svg, `<text x="%.1f" y="%d" font-size="12">%s</text>`+"\n", chartLabel+width+behind+6, y+chartBar-4, value)
			y += chartBar + chartGap
		}
		y += chartSpace
	}
	svg.WriteString("</svg>\n")
	_, err := io.WriteString(w, svg.String())
	return err
}

// chartGroups are the measurements to draw by scenario, the servers among them,
// and the longest bar's value. Scenarios with one server compare nothing.
func (r *Report) chartGroups() (groups [][]*Measurement, servers []string, longest float64) {
	byScenario := map[string][]*Measurement{}
	for _, m := range r.Measurements {
		if m.Phase == Warm && m.ServerCPU != nil {
			byScenario[m.Scenario] = append(byScenario[m.Scenario], m)
		}
	}
	for _, s := range r.Scenarios {
		group := byScenario[s.Name]
		if len(group) < 2 {
			continue
		}
		groups = append(groups, group)
		for _, m := range group {
			longest = max(longest, *m.ServerCPU+m.storeCPU())
			if !slices.Contains(servers, m.Server) {
				servers = append(servers, m.Server)
			}
		}
	}
	return groups, servers, longest
}

// storeCPU is the CPU of the store behind the server, in µs a command, if it is
// enough to be seen.
func (m *Measurement) storeCPU() float64 {
	const seen = 0.05 // µs
	if m.StoreCPU == nil || *m.StoreCPU < seen {
		return 0
	}
	return *m.StoreCPU
}

func chartColour(server string) string {
	if colour, ok := chartColours[server]; ok {
		return colour
	}
	return chartGrey
}
