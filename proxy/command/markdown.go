package command

import (
	"fmt"
	"strings"
)

var classTitles = []struct {
	class Class
	title string
}{
	{Cached, "Answered from memory"},
	{Local, "Answered by fsproxy"},
	{Write, "Forwarded, and what they write is invalidated"},
	{Stream, "Forwarded; what comes back does not pair with requests"},
	{Refused, "Refused"},
	{Tunnel, "Forwarded"},
}

// Markdown renders the table for the documentation: the commands of each
// class, grouped by the reason for it.
func Markdown() string {
	var b strings.Builder
	for _, t := range classTitles {
		fmt.Fprintf(&b, "### %s (%s)\n\n", t.title, t.class)
		for _, group := range reasons(t.class) {
			if group.why == "" {
				fmt.Fprintf(&b, "- %s\n", strings.Join(group.names, ", "))
				continue
			}
			fmt.Fprintf(&b, "- %s: %s\n", strings.Join(group.names, ", "), group.why)
		}
		b.WriteByte('\n')
	}
	b.WriteString("A command that is not listed is forwarded as it is, and the store answers it.\n")
	return b.String()
}

type reason struct {
	why   string
	names []string
}

// reasons collects the commands of a class by why they have it, in the order
// of their names. Subcommands are listed where their container has another
// class or reason.
func reasons(class Class) []*reason {
	var list []*reason
	byWhy := map[string]*reason{}
	add := func(c *Command) {
		r := byWhy[c.Why]
		if r == nil {
			r = &reason{why: c.Why}
			byWhy[c.Why] = r
			list = append(list, r)
		}
		r.names = append(r.names, strings.ToUpper(strings.ReplaceAll(c.Name, "|", " ")))
	}
	for _, c := range all {
		if c.Class == class {
			add(c)
		}
		for _, sub := range c.Subcommands {
			if sub.Class == class && (c.Class != class || sub.Why != c.Why) {
				add(sub)
			}
		}
	}
	return list
}
