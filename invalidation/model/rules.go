package model

// Rules are what the promise rests on; all true is how fsproxy works.
type Rules struct {
	// BeginTick: a value carries the tick at which its fetch began, not that of
	// its reply.
	BeginTick bool
	// EqualIsStale: a value of the very tick of an invalidation is stale.
	EqualIsStale bool
	// MarkTwice: a marker invalidates once more one settle later.
	MarkTwice bool
	// RepeatEach: the second invalidation comes even if another marker
	// comes before it.
	RepeatEach bool
	// TableAtFill: a fill looks at the table of recent updates.
	TableAtFill bool
	// TableUnderLock: it does so under the row's lock, not before.
	TableUnderLock bool
	// StampFirst: an update stamps the table before it drops the value.
	StampFirst bool
	// HoldDown: it stamps as far as one settle from now, not only now.
	HoldDown bool
	// JoinYounger: a reader joins no fetch that began before the last
	// invalidation.
	JoinYounger bool
	// PositionFirst: nothing is kept or served before the source knows where it
	// begins.
	PositionFirst bool
	// ForgetFirst: what was fetched until then is forgotten when it knows.
	ForgetFirst bool
	// GapForgets: a gap in the stream forgets what the stream covers.
	GapForgets bool
	// ForgetTwice: it is forgotten once more one settle later.
	ForgetTwice bool
	// Suspend: a source that was not heard for the bound has what it covers
	// fetched and not kept, until it is heard again.
	Suspend bool
	// HeardWhenAsked: it was heard when the question was put, not when the answer
	// came.
	HeardWhenAsked bool
	// HeardWhenRead: it is heard once all that there was has been read.
	HeardWhenRead bool
	// WriteBefore and WriteAfter: a write that passes through invalidates before
	// it is forwarded, and after its reply.
	WriteBefore, WriteAfter bool
	// VersionNewer: a record's value is put in place only over an older version.
	VersionNewer bool
	// LagAgo: it is put in place as if it had been fetched as long ago as a record
	// may come late, and so only if nothing was invalidated since.
	LagAgo bool
	// MaxAge: a value is served no longer than its age.
	MaxAge bool

	// StaleSinceFirst: how long a stale value may be served counts from the first
	// marker after its fetch, whatever comes after.
	StaleSinceFirst bool
	// StaleUnlessGone: only a marker leaves values that may be served.
	StaleUnlessGone bool
	// ServeEnds: a lost source is served for a stated time and no longer.
	ServeEnds bool

	// Of a process that takes over the row of the one before:

	// CheckpointFirst: where the sources stand is noted before the row is written.
	CheckpointFirst bool
	// FreshOnly: a row is written only while it may be served.
	FreshOnly bool
	// ReadOn: the stream is read from where it was at the checkpoint.
	ReadOn bool
	// CaughtUp: nothing is served before it has been read up to where it ended.
	CaughtUp bool
	// CaughtWhenAsked: nor while nobody can say where that is.
	CaughtWhenAsked bool
	// Compared: the first marker that is read is compared with the last one that
	// was known.
	Compared bool
	// PendingCarried: what was to be invalidated once more still is.
	PendingCarried bool
	// HoldCarried: what was not kept because of an update still is not.
	HoldCarried bool
	// VersionsUnknown: a record's value is put in place only if it is of after the
	// start, since nobody knows which versions were seen before.
	VersionsUnknown bool
	// LoadObeys: a row is not loaded against an update of since the start.
	LoadObeys bool
	// TrueAge: a loaded value keeps its tick.
	TrueAge bool
}

// All is the rules as they are.
func All() Rules {
	return Rules{
		true, true, true, true, true, true, true, true, true, true, true,
		true, true, true, true, true, true, true, true, true, true,
		true, true, true,
		true, true, true, true, true, true, true, true, true, true, true,
	}
}
