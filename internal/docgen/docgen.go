// Package docgen writes the reference pages of the components of this project
// from their specs, so that a page and a component cannot disagree.
//
// It imports no component: who calls it has registered them.
package docgen

//go:generate go run ./write -dir ../../docs/components

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// Regenerate is the command that brings the pages up to date.
const Regenerate = "go generate ./..."

// Dir is the directory of the pages, from the root of the project.
const Dir = "docs/components"

// Component names a component by its type and name in a pipeline.
type Component struct {
	Type, Name string
}

// The types of components, as a pipeline spells them.
const (
	TypeInput     = "input"
	TypeOutput    = "output"
	TypeProcessor = "processor"
	TypeRateLimit = "rate_limit"
)

// Components are those of this project. A component that is registered but not
// in this list fails a test.
var Components = []Component{
	{TypeInput, "ebp"},
	{TypeOutput, "blob"},
	{TypeRateLimit, "ebp"},
}

// Page is the path of the component's page below Dir.
func (c Component) Page() string {
	return path.Join(c.Type+"s", c.Name+".md")
}

func (c Component) view(env *service.Environment) (*service.ConfigView, error) {
	get, ok := map[string]func(string) (*service.ConfigView, bool){
		TypeInput:     env.GetInputConfig,
		TypeOutput:    env.GetOutputConfig,
		TypeProcessor: env.GetProcessorConfig,
		TypeRateLimit: env.GetRateLimitConfig,
	}[c.Type]
	if !ok {
		return nil, fmt.Errorf("components of the type %q have no pages yet", c.Type)
	}
	view, ok := get(c.Name)
	if !ok {
		return nil, fmt.Errorf("the %s %q is not registered", c.Type, c.Name)
	}
	return view, nil
}

// spec is the part of the host's JSON form of a component that pages show.
type spec struct {
	Status      string   `json:"status"`
	Summary     string   `json:"summary"`
	Description string   `json:"description"`
	Footnotes   string   `json:"footnotes"`
	Version     string   `json:"version"`
	Examples    []Sample `json:"examples"`
	Config      field    `json:"config"`
}

// Sample is an example configuration in a spec.
type Sample struct {
	Title   string `json:"title"`
	Summary string `json:"summary"`
	Config  string `json:"config"`
}

type field struct {
	Name             string      `json:"name"`
	Type             string      `json:"type"`
	Kind             string      `json:"kind"`
	Description      string      `json:"description"`
	IsAdvanced       bool        `json:"is_advanced"`
	IsDeprecated     bool        `json:"is_deprecated"`
	IsOptional       bool        `json:"is_optional"`
	IsSecret         bool        `json:"is_secret"`
	Default          *any        `json:"default"`
	Interpolated     bool        `json:"interpolated"`
	Examples         []any       `json:"examples"`
	AnnotatedOptions [][2]string `json:"annotated_options"`
	Options          []string    `json:"options"`
	Children         []field     `json:"children"`
}

func readSpec(view *service.ConfigView) (spec, error) {
	var s spec
	raw, err := view.FormatJSON()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s)
}

// Samples returns the example configurations in the spec of a component.
func Samples(env *service.Environment, c Component) ([]Sample, error) {
	view, err := c.view(env)
	if err != nil {
		return nil, err
	}
	s, err := readSpec(view)
	if err != nil {
		return nil, fmt.Errorf("reading the spec of the %s %s: %w", c.Type, c.Name, err)
	}
	return s.Examples, nil
}

// Pages renders all pages, by their path below Dir.
func Pages(env *service.Environment) (map[string]string, error) {
	pages := map[string]string{}
	var index strings.Builder
	fmt.Fprintf(&index, "%s\n\n# Components\n\n| component | |\n| --- | --- |\n", notice)
	for _, c := range Components {
		view, err := c.view(env)
		if err != nil {
			return nil, err
		}
		page, err := render(c, view)
		if err != nil {
			return nil, fmt.Errorf("rendering the page of the %s %s: %w", c.Type, c.Name, err)
		}
		pages[c.Page()] = page
		fmt.Fprintf(&index, "| [%s `%s`](%s) | %s |\n", typeTitle(c.Type), c.Name, c.Page(), oneLine(view.Summary()))
	}
	pages["README.md"] = index.String()
	return pages, nil
}

func typeTitle(componentType string) string {
	return strings.ReplaceAll(componentType, "_", " ")
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
