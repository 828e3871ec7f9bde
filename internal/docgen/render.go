package docgen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
	"gopkg.in/yaml.v3"
)

const notice = "<!-- Generated from the component's spec by `" + Regenerate + "`. Change the spec instead. -->"

func render(c Component, view *service.ConfigView) (string, error) {
	s, err := readSpec(view)
	if err != nil {
		return "", err
	}
	data, err := view.TemplateData()
	if err != nil {
		return "", err
	}

	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n# %s `%s`\n\n", notice, typeTitle(c.Type), c.Name)
	paragraph(&b, s.Summary)
	if s.Version != "" {
		fmt.Fprintf(&b, "Since version %s.\n\n", s.Version)
	}
	fence(&b, data.CommonConfigYAML)
	if data.AdvancedConfigYAML != data.CommonConfigYAML {
		b.WriteString("<details><summary>All fields</summary>\n\n")
		fence(&b, data.AdvancedConfigYAML)
		b.WriteString("</details>\n\n")
	}
	paragraph(&b, s.Description)
	if len(s.Examples) > 0 {
		b.WriteString("## Examples\n\n")
	}
	for _, e := range s.Examples {
		fmt.Fprintf(&b, "### %s\n\n", e.Title)
		paragraph(&b, e.Summary)
		fence(&b, e.Config)
	}
	b.WriteString("## Fields\n\n")
	if err := renderFields(&b, "", s.Config.Children); err != nil {
		return "", err
	}
	paragraph(&b, s.Footnotes)
	return strings.TrimRight(b.String(), "\n") + "\n", nil
}

func renderFields(b *strings.Builder, prefix string, fields []field) error {
	for _, f := range fields {
		if f.IsDeprecated {
			continue
		}
		fmt.Fprintf(b, "### `%s`\n\n", prefix+f.Name)
		paragraph(b, f.Description)
		traits, err := f.traits()
		if err != nil {
			return fmt.Errorf("field %s: %w", prefix+f.Name, err)
		}
		fmt.Fprintf(b, "%s\n\n", strings.Join(traits, " · "))
		for _, o := range f.AnnotatedOptions {
			fmt.Fprintf(b, "- `%s`: %s\n", o[0], oneLine(o[1]))
		}
		if len(f.AnnotatedOptions) > 0 {
			b.WriteString("\n")
		}
		if err := renderExamples(b, f); err != nil {
			return fmt.Errorf("field %s: %w", prefix+f.Name, err)
		}
		if err := renderFields(b, prefix+f.Name+f.below(), f.Children); err != nil {
			return err
		}
	}
	return nil
}

// below is what stands between the name of a field and that of its child.
func (f field) below() string {
	switch f.Kind {
	case "array":
		return "[]."
	case "map":
		return ".<name>."
	}
	return "."
}

func (f field) traits() ([]string, error) {
	kind := f.Type
	switch f.Kind {
	case "array":
		kind = "list of " + f.Type
	case "map":
		kind = "object with values of type " + f.Type
	case "2darray":
		kind = "list of lists of " + f.Type
	}
	traits := []string{"Type: " + kind}
	switch {
	case f.Default != nil:
		value, err := marshalDefault(*f.Default)
		if err != nil {
			return nil, err
		}
		traits = append(traits, "Default: `"+value+"`")
	case !f.IsOptional && len(f.Children) == 0:
		traits = append(traits, "**Required**")
	}
	if len(f.Options) > 0 {
		traits = append(traits, "One of: `"+strings.Join(f.Options, "`, `")+"`")
	}
	if f.Interpolated {
		traits = append(traits, "Interpolated")
	}
	if f.IsSecret {
		traits = append(traits, "Secret")
	}
	if f.IsAdvanced {
		traits = append(traits, "Advanced")
	}
	return traits, nil
}

func marshalDefault(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

func renderExamples(b *strings.Builder, f field) error {
	var examples []string
	for _, e := range f.Examples {
		var raw bytes.Buffer
		enc := yaml.NewEncoder(&raw)
		enc.SetIndent(2)
		if err := enc.Encode(map[string]any{f.Name: e}); err != nil {
			return err
		}
		examples = append(examples, strings.TrimSpace(raw.String()))
	}
	if len(examples) > 0 {
		fence(b, strings.Join(examples, "\n\n"))
	}
	return nil
}

// hostLink is a link between the pages of the host's own documentation, in the
// markup that the descriptions of its shared fields use.
var hostLink = regexp.MustCompile(`xref:[^\s\[]+\[([^\]]+)\]`)

// hostHeading is the mark of a section in the host\'s descriptions.
var hostHeading = regexp.MustCompile(`(?m)^== `)

func paragraph(b *strings.Builder, text string) {
	text = hostLink.ReplaceAllString(strings.TrimSpace(text), "$1")
	text = hostHeading.ReplaceAllString(text, "## ") // the host's pages are AsciiDoc
	if text != "" {
		b.WriteString(text + "\n\n")
	}
}

func fence(b *strings.Builder, code string) {
	fmt.Fprintf(b, "```yaml\n%s\n```\n\n", strings.Trim(code, "\n"))
}
