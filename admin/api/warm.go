package api

// WarmLine is a line of what is hot: of a projection, before the first entity that
// is asked for in it, of an entity, or the one after the last that was hot.
type WarmLine struct {
	// Fields are those of the projection, which has the number of such lines before
	// it. Base64, as all bytes here.
	Fields [][]byte `json:"fields,omitempty"`
	// View is the form in which clients have the projection's values, as the bits of
	// cache.View; 0: as stored.
	View byte `json:"view,omitempty"`
	// Entity is one, and Projections are what it is asked for in, by number.
	Entity      []byte `json:"entity,omitempty"`
	Projections []int  `json:"projections,omitempty"`
	// Told: what follows is what clients ask for from now on.
	Told bool `json:"told,omitempty"`
}
