package main

import (
	"github.com/spf13/cobra"

	"github.com/vpcsim/vpcsim/control"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of scenario files",
		Long: `Print the JSON Schema of scenario files, made from the types that read them. An
editor that knows it completes and checks while you type: see the first line of
"vpcsim schema --help"'s example.`,
		Example: `  vpcsim schema > vpcsim.schema.json
  # then, as the first line of a scenario file:
  # yaml-language-server: $schema=./vpcsim.schema.json`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			schema, err := control.Schema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(schema)
			return err
		},
	}
}
