// Package feature knows what the store's fields stand for.
//
// A feature has a name, such as "daf_cs_p6m_consumer2vec_emb", and the store
// keeps it in a hash field named by the decimal xxHash32 of that name. So an
// identifier is at most ten bytes long, however long the name. Other stores have
// other schemes ([Scheme]).
//
// A [Catalogue] is read from a file and says of each feature its name, its type,
// how its values are stored (package codec), and how they may be kept. A [Cover]
// says which features something is about.
//
// The package knows neither socket nor cache.
package feature
