// Command schemas checks deployment files with the code of the projects that read them: Dockerfiles with BuildKit's
// parser and linter, Grafana dashboards with the strict decoder that Grafana generates from its schemas (unknown and
// missing fields are errors).
//
//	schemas FILE…    a name that ends in .json is a dashboard, any other a Dockerfile
//
// Problems go to standard output, one a line; the exit code is 1 when there is any.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func main() {
	// Only what the dashboards use: registering every panel would compile all of them.
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())

	failed := false
	for _, name := range os.Args[1:] {
		for _, problem := range check(name) {
			failed = true
			fmt.Printf("%s: %s\n", name, problem)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func check(name string) []string {
	content, err := os.ReadFile(name)
	if err != nil {
		return []string{err.Error()}
	}
	if strings.HasSuffix(name, ".json") {
		return checkDashboard(content)
	}
	return checkDockerfile(content)
}

func checkDashboard(content []byte) []string {
	parsed := dashboard.Dashboard{}
	var problems []string
	for _, err := range []error{parsed.UnmarshalJSONStrict(content), parsed.Validate()} {
		// No problems come as an empty list of errors, which is not nil.
		if err != nil && err.Error() != "" {
			problems = append(problems, strings.Split(err.Error(), "\n")...)
		}
	}
	return problems
}

func checkDockerfile(content []byte) []string {
	var problems []string
	tree, err := parser.Parse(bytes.NewReader(content))
	if err != nil {
		return []string{err.Error()}
	}
	warn := func(rule, _, _, message string, _ []parser.Range) {
		problems = append(problems, rule+": "+message)
	}
	stages, _, err := instructions.Parse(tree.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		return append(problems, err.Error())
	}
	return append(problems, unknownStages(stages)...)
}

// unknownStages finds COPY --from of a stage that no earlier FROM names; an image is written with a tag or a path.
func unknownStages(stages []instructions.Stage) []string {
	var problems []string
	known := map[string]bool{}
	for _, stage := range stages {
		for _, command := range stage.Commands {
			copied, ok := command.(*instructions.CopyCommand)
			if ok && copied.From != "" && !known[copied.From] && !strings.ContainsAny(copied.From, ":/") {
				problems = append(problems, "COPY --from="+copied.From+" names no earlier stage")
			}
		}
		known[stage.Name] = true
	}
	return problems
}
