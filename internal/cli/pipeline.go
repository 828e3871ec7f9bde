package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

// candidate is a component of a pipeline that has a connection to EBP.
type candidate struct {
	where  string // "input ebp, line 3"
	fields map[string]any
	signIn string // what tells its sign-in from those of others
	config *connection.Config
}

// signingIn are the components with a connection.
var signingIn = []string{"ebp", "ebp_import", "ebp_export"}

// places are where a pipeline has components, in the order in which people read it.
var places = []string{"input", "input_resources", "pipeline", "processor_resources", "output", "output_resources"}

// fieldsOfPipeline returns the connection fields of the first EBP component of a file;
// where its components have several sign-ins, of the first with that profile.
func fieldsOfPipeline(file, profile string, talk *talk) (map[string]any, error) {
	found, err := candidates(file)
	if err != nil {
		return nil, err
	}
	var different, profiles []string
	for _, c := range found {
		if !slices.Contains(different, c.signIn) {
			different = append(different, c.signIn)
		}
		if !slices.Contains(profiles, c.config.Profile) {
			profiles = append(profiles, c.config.Profile)
		}
	}
	if len(different) == 1 {
		if profile != "" && !slices.Contains(profiles, profile) {
			talk.Warnf("no component of %s has the profile %q, but %s: pipelines find a sign-in only under their own", file, profile, strings.Join(profiles, ", "))
		}
		return found[0].fields, nil
	}
	if profile == "" {
		talk.say("%s has %d sign-ins, with the profiles %s: this is the one of its %s. To choose another, use --%s.",
			file, len(different), strings.Join(profiles, ", "), found[0].where, flagProfile)
		return found[0].fields, nil
	}
	for _, c := range found {
		if c.config.Profile == profile {
			return c.fields, nil
		}
	}
	return nil, fmt.Errorf("%s has no EBP component with the profile %q: its profiles are %s", file, profile, strings.Join(profiles, ", "))
}

func candidates(file string) ([]candidate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the pipeline: %w", err)
	}
	schema := service.GlobalEnvironment().FullConfigSchema("", "")
	// It puts in the environment variables as the host does when it runs the file.
	parsed, err := schema.NewConfigQuerier().ParseYAML(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading the pipeline %s: %w", file, err)
	}
	var found []candidate
	var unknown error // a component elsewhere that this build does not have is no reason to fail
	for _, place := range places {
		conf, err := parsed.FieldAtPath(place)
		if err != nil {
			continue // the file does not have it
		}
		value, err := conf.FieldAny()
		if err != nil {
			continue
		}
		err = schema.NewStreamConfigWalker().WalkComponentsAny(map[string]any{place: value}, func(w *service.WalkedComponent) error {
			c, err := candidateOf(w)
			if c != nil {
				found = append(found, *c)
			}
			return err
		})
		unknown = errors.Join(unknown, err)
	}
	if len(found) == 0 {
		if unknown != nil {
			return nil, fmt.Errorf("reading the pipeline %s: %w", file, unknown)
		}
		return nil, fmt.Errorf("%s has no EBP component, such as the input ebp, whose connection could be used", file)
	}
	return found, nil
}

// candidateOf returns nothing for components that have no connection.
func candidateOf(w *service.WalkedComponent) (*candidate, error) {
	if !slices.Contains(signingIn, w.Name) || w.ComponentType == "rate_limit" {
		return nil, nil
	}
	value, err := w.ConfigAny()
	if err != nil {
		return nil, err
	}
	component, _ := value.(map[string]any)
	all, _ := component[w.Name].(map[string]any)
	c := &candidate{where: fmt.Sprintf("%s %s, line %d", w.ComponentType, w.Name, w.LineStart), fields: map[string]any{}}
	for _, name := range connectionFieldNames {
		if v, ok := all[name]; ok {
			c.fields[name] = v
		}
	}
	if c.config, err = parseConnection(c.fields); err != nil {
		return nil, fmt.Errorf("%s: %w", c.where, err)
	}
	c.signIn = strings.Join([]string{c.config.URL, c.config.LoginURL, c.config.ClientID, c.config.Profile, c.config.State}, "\n")
	return c, nil
}

// connectionFieldNames are the fields of a component that make its connection.
var connectionFieldNames = []string{
	connection.FieldURL, connection.FieldSubscriptionKey, connection.FieldOAuth2, connection.FieldProfile,
	connection.FieldState, connection.FieldCalls, connection.FieldRateLimit, connection.FieldHTTP, connection.FieldTimeZone,
}
