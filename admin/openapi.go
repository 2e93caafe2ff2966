package admin

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"
)

// openAPIText describes the API for others; its test holds it to the routes.
//
//go:embed openapi.yaml
var openAPIText []byte

// openAPI is the same as JSON, which more tools read.
var openAPI = sync.OnceValues(func() (json.RawMessage, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(openAPIText, &tree); err != nil {
		return nil, fmt.Errorf("read the description of the API: %w", err)
	}
	return json.Marshal(tree)
})

func getOpenAPI(*call) (any, error) { return openAPI() }
