package config

import (
	"fmt"
	"strings"
)

// MarkdownTable is the table of all options, for the documents.
func MarkdownTable() string {
	var out strings.Builder
	out.WriteString("| option | default | meaning | accepted | environment variable | flag |\n")
	out.WriteString("| --- | --- | --- | --- | --- | --- |\n")
	for _, o := range Options() {
		writeRow(&out, o)
	}
	return out.String()
}

// writeRow writes an option, or the elements of a list in its place.
func writeRow(out *strings.Builder, o Option) {
	key := o.Key
	if len(o.Elements) > 0 {
		key += "[]." + o.Elements[0].Key
	}
	flag := ""
	if o.Flag != "" {
		flag = "`--" + o.Flag + "`"
	}
	fmt.Fprintf(out, "| `%s` | %s | %s | %s | `%s` | %s |\n",
		key, code(o.Default), cell(o.Meaning), cell(acceptedText(o)), o.Variable(), flag)
	for _, e := range o.Elements[min(1, len(o.Elements)):] {
		fmt.Fprintf(out, "| `%s[].%s` | %s | %s | %s | | |\n",
			o.Key, e.Key, code(e.Default), cell(e.Meaning), cell(e.Form.Accepted))
	}
}

// acceptedText also tells how a list is written where there is only text.
func acceptedText(o Option) string {
	if !o.Form.List {
		return o.Form.Accepted
	}
	switch {
	case o.Whole:
		return "a list of sections, which the variable has in YAML or JSON; this one of each must be given: " + o.Elements[0].Form.Accepted
	case len(o.Elements) > 0:
		return "a list of sections, which the variable has in YAML or JSON; or in the variable and the flag this one alone of each, separated by commas: " + o.Elements[0].Form.Accepted
	}
	return "one or more, separated by commas in the variable and the flag: " + o.Form.Accepted
}

func code(text string) string {
	if text == "" {
		return "empty"
	}
	return "`" + text + "`"
}

// cell keeps text from ending a cell.
func cell(text string) string {
	return strings.ReplaceAll(text, "|", `\|`)
}

// helpWidth, in characters, is how wide help text is: a terminal's 80 and a margin.
const helpWidth = 78

// HelpText lists all options for a terminal, for the help of commands that load
// a configuration.
func HelpText() string {
	var out strings.Builder
	out.WriteString("Options, as key in the file and as environment variable. A flag goes before\n")
	out.WriteString("the environment, that before the file, that before the default. " + FileVariable + "\n")
	out.WriteString("names the file where --config does not.\n")
	for _, o := range Options() {
		writeHelp(&out, o)
	}
	return out.String()
}

func writeHelp(out *strings.Builder, o Option) {
	others := "(" + o.Variable()
	if o.Flag != "" {
		others += ", --" + o.Flag
	}
	others += ")"
	between := "  "
	if len(between)+len(o.Key)+len(between)+len(others) > helpWidth {
		between = "\n  "
	}
	fmt.Fprintf(out, "\n  %s%s%s\n", o.Key, between, others)
	value := o.Default
	if value == "" {
		value = "empty"
	}
	wrap(out, o.Meaning+".")
	wrap(out, "Default: "+value+". Accepted: "+acceptedText(o)+".")
}

// wrap writes text as indented lines of at most helpWidth.
func wrap(out *strings.Builder, text string) {
	const indent = "      "
	line := indent[:len(indent)-1]
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > helpWidth {
			out.WriteString(line + "\n")
			line = indent[:len(indent)-1]
		}
		line += " " + word
	}
	out.WriteString(line + "\n")
}
