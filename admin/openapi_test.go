package admin

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

// description is the served description of the API, as a tree.
type description map[string]any

func describe(t *testing.T, r *rig) description {
	t.Helper()
	var d description
	r.answer(t, http.MethodGet, api.PathOpenAPI, "", &d)
	return d
}

// at follows keys into a tree of objects; nil: there is no such thing.
func at(tree any, keys ...string) any {
	for _, key := range keys {
		object, _ := tree.(map[string]any)
		tree = object[key]
	}
	return tree
}

func (d description) at(keys ...string) any { return at(map[string]any(d), keys...) }

func TestTheDescriptionAndTheRoutesAreOfTheSamePaths(t *testing.T) {
	r := newRig(t, "", nil)
	d := describe(t, r)
	described, served := []string{}, []string{}
	for path, methods := range d.at("paths").(map[string]any) {
		for method := range methods.(map[string]any) {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	for _, route := range r.routes() {
		served = append(served, route.method+" "+route.path)
	}
	for path := range d.at("paths").(map[string]any) {
		for method, operation := range d.at("paths", path).(map[string]any) {
			// A comma in a line of YAML can make a key of half a sentence.
			answer := at(operation, "responses", "200").(map[string]any)
			delete(answer, "headers")
			if len(answer) != 2 || answer["description"] == nil || answer["content"] == nil {
				t.Errorf("%s %s: the answer is described by %v", method, path, answer)
			}
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described %v\nserved    %v", described, served)
	}
}

func TestAnswersAreAsDescribed(t *testing.T) {
	r := newRig(t, "", func(s *Sources) { s.Rollout = someRollout{} })
	d := describe(t, r)
	bodies := map[string]string{
		api.PathMode: `{"mode": "live"}`, api.PathInvalidate: `{"feature": "f1"}`,
		api.PathRules: `{"rules": [{"name": "a"}]}`, api.PathRule: `{"name": "a", "percent": 1}`,
		api.PathShadow: `{"percent": 5}`,
	}
	for _, route := range r.routes() {
		if route.stream != nil {
			continue
		}
		got := r.ask(route.method, route.path+"?key=st_2", bodies[route.path], nil)
		schema := d.at("paths", route.path, strings.ToLower(route.method), "responses", "200", "content", "application/json", "schema")
		if got.Code != http.StatusOK || schema == nil {
			t.Fatalf("%s: %d %s, described: %t", route.path, got.Code, got.Body, schema != nil)
		}
		var answer any
		if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		for _, problem := range d.check(route.path, schema, answer) {
			t.Error(problem)
		}
	}
	var refused any
	if err := json.Unmarshal(r.ask(http.MethodGet, api.PathEntity, "", nil).Body.Bytes(), &refused); err != nil {
		t.Fatal(err)
	}
	for _, problem := range d.check("error", d.at("components", "schemas", "Error"), refused) {
		t.Error(problem)
	}
}

type someRollout struct{}

func (someRollout) RuleOf(string) string { return "a" }

func (someRollout) Decides([]byte, string) (rule string, mode config.Mode) {
	return "a", config.ModeLive
}

func (someRollout) Rules() []api.Rule {
	return []api.Rule{{Name: "a", Features: []string{"*"}, Entities: []string{}, Mode: "live", Percent: 50, VerifyRate: 1, Compared: map[string]uint64{"match": 1}}}
}

func (someRollout) Differences(int) []api.Difference {
	return []api.Difference{{Time: time.Now(), Entity: "e", Feature: "f", Class: "wrong", AgeSeconds: 1, CachedHash: "1", StoredHash: "2", Cached: "v", Stored: "w"}}
}

// check holds a value against a schema, in the part of JSON Schema that the
// description uses, and against more: nothing may be there that is not
// described.
func (d description) check(where string, schema, value any) (problems []string) {
	add := func(format string, args ...any) {
		problems = append(problems, where+": "+fmt.Sprintf(format, args...))
	}
	if ref, ok := at(schema, "$ref").(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		if schema = d.at("components", "schemas", name); schema == nil {
			add("refers to %s, which is not there", ref)
			return problems
		}
	}
	if allowed, ok := at(schema, "enum").([]any); ok && !slices.Contains(allowed, value) {
		add("%v is none of %v", value, allowed)
	}
	kind, _ := at(schema, "type").(string)
	switch value := value.(type) {
	case map[string]any:
		if kind != "object" {
			add("an object, and not %s", kind)
		}
		properties, _ := at(schema, "properties").(map[string]any)
		others := at(schema, "additionalProperties")
		required, _ := at(schema, "required").([]any)
		for _, name := range required {
			if _, there := value[name.(string)]; !there {
				add("%s is missing", name)
			}
		}
		for name, v := range value {
			switch {
			case properties[name] != nil:
				problems = append(problems, d.check(where+"."+name, properties[name], v)...)
			case others != nil:
				problems = append(problems, d.check(where+"."+name, others, v)...)
			case properties != nil:
				add("%s is not described", name)
			}
		}
	case []any:
		if kind != "array" {
			add("an array, and not %s", kind)
		}
		for i, v := range value {
			problems = append(problems, d.check(fmt.Sprintf("%s[%d]", where, i), at(schema, "items"), v)...)
		}
	case string:
		if kind != "string" {
			add("text, and not %s", kind)
		}
		if at(schema, "format") == "date-time" {
			if _, err := time.Parse(time.RFC3339, value); err != nil {
				add("%v", err)
			}
		}
	case bool:
		if kind != "boolean" {
			add("a boolean, and not %s", kind)
		}
	case float64:
		if kind != "number" && (kind != "integer" || value != math.Trunc(value)) {
			add("the number %v, and not %s", value, kind)
		}
	default:
		add("%v, and not %s", value, kind)
	}
	return problems
}

// What an answer may have and this rig's did not is described too.
func TestTheDescriptionHasEachFieldOfTheShapes(t *testing.T) {
	d := describe(t, newRig(t, "", nil))
	seen := map[reflect.Type]bool{}
	for _, shape := range []any{
		api.Status{},
		api.Config{},
		api.Topology{},
		api.Features{},
		api.Entity{},
		api.Hot{},
		api.Source{},
		api.Difference{},
		api.Rule{},
		api.Change{},
		api.History{},
		api.Access{},
		api.Mode{},
		api.SetRules{},
		api.SetShadow{},
		api.Invalidate{},
		api.Invalidated{},
		api.Flushed{},
		api.Reload{},
		api.Error{},
	} {
		d.compare(t, reflect.TypeOf(shape), seen)
	}
	for name := range d.at("components", "schemas").(map[string]any) {
		if !slices.ContainsFunc(slices.Collect(keys(seen)), func(shape reflect.Type) bool { return shape.Name() == name }) && name != "Health" {
			t.Errorf("%s is described, and no shape", name)
		}
	}
}

func keys(seen map[reflect.Type]bool) func(func(reflect.Type) bool) {
	return func(yield func(reflect.Type) bool) {
		for shape := range seen {
			if !yield(shape) {
				return
			}
		}
	}
}

func (d description) compare(t *testing.T, shape reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for shape.Kind() == reflect.Pointer || shape.Kind() == reflect.Slice || shape.Kind() == reflect.Map {
		shape = shape.Elem()
	}
	if shape.Kind() != reflect.Struct || seen[shape] || shape == reflect.TypeFor[time.Time]() {
		return
	}
	seen[shape] = true
	properties, _ := d.at("components", "schemas", shape.Name(), "properties").(map[string]any)
	required, _ := d.at("components", "schemas", shape.Name(), "required").([]any)
	if len(properties) != shape.NumField() {
		t.Errorf("%s has %d fields, and %d are described", shape.Name(), shape.NumField(), len(properties))
	}
	for i := range shape.NumField() {
		name, options, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ",")
		if properties[name] == nil {
			t.Errorf("%s.%s is not described", shape.Name(), name)
		}
		if always := options != "omitempty"; always != slices.Contains(required, any(name)) {
			t.Errorf("%s.%s is always there: %t, and described otherwise", shape.Name(), name, always)
		}
		d.compare(t, shape.Field(i).Type, seen)
	}
}
