// Package codec turns feature values between the two forms that they have: as
// the store holds them, and decoded.
//
// A [Form] says how the store holds the values of one feature. From it follows
// the decoded form, which depends on the type alone (and on the width of
// floats):
//
//   - float: the shortest decimal text that reads back as the same number
//   - int: decimal text
//   - bool: 1 or 0
//   - string, bytes: themselves
//   - embedding, float_list: packed little-endian float32, or float64 where
//     the store has 64 bits
//   - int_list: packed little-endian int64
//   - string_list: each string behind its length as little-endian uint32
//
// Values come from outside, so every length is checked before memory is taken
// for it, and a value that is not of its form is an error and never a guess:
// whoever gets one serves the value as stored. Messages are walked on the wire,
// without reflection or generated code; ../proto has their definitions.
//
// The package knows no names, files or sockets.
package codec
