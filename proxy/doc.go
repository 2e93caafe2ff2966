// Package proxy is what clients connect to: it reads their requests, answers
// HMGET and HGET from the cache, has misses fetched, answers in the order of
// the requests, and passes everything else on through tunnels.
//
// The life of a request, file by file:
//
//	server.go             accepts connections and ends them
//	client.go             one connection: reads, has each request handled, sends
//	recognize.go          knows a projection by its bytes
//	hmget.go              answers from the cache
//	miss.go               waits for what has to be fetched, and fills the cache
//	replies.go            keeps replies in the order of the requests
//	dispatch.go           every other command: answered here, or forwarded
//	tunnel.go             the connection's own connections to store nodes
//	transaction.go        MULTI and WATCH, and what they pin to a node
//	auth.go               who may connect, and as whom its tunnels do
//	verdicts.go           remembers what the store said of credentials
//	transaction_reads.go  MULTI of reads alone, answered from the cache
//	scatter.go            requests that span nodes, in parts; scan.go: SCAN
//	join.go               the replies to the parts made one
//	pubsub.go             subscriptions, on a connection of their own
//	pipe.go               MONITOR and the like: bytes passed through as they are
package proxy
