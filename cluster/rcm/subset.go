package rcm

// choose is the subset of a shard's nodes that a client is told: the k that
// score highest for it (rendezvous hashing), those of its zone before all
// others. The first of them is the highest.
//
// Each node's score for each client is a throw of dice that depends on the two
// alone. So whoever computes it comes to the same, and a node that comes or goes
// changes only the subsets that it is in, each by one node. It also is what
// bounds how even the load can be: an RCM does not know the other clients, of
// which other RCMs are asked, so how many clients a node has is distributed as
// throws are, by Poisson's law around clients·k/nodes, and no function of the
// client and the fleet alone can do better for clients whose ids are arbitrary.
// Clients level what is left, as each has k nodes to choose from.
func choose(nodes []*node, k int, client uint64, zone string) []*node {
	k = min(k, len(nodes))
	best := make([]*node, 0, k)
	scores := make([]uint64, 0, k)
	near := make([]bool, 0, k)
	for _, n := range nodes {
		score, isNear := mix(client^n.hash), zone != "" && n.zone == zone
		i := len(best)
		for i > 0 && before(isNear, score, n, near[i-1], scores[i-1], best[i-1]) {
			i--
		}
		if i == k {
			continue
		}
		if len(best) < k {
			best, scores, near = append(best, nil), append(scores, 0), append(near, false)
		}
		copy(best[i+1:], best[i:])
		copy(scores[i+1:], scores[i:])
		copy(near[i+1:], near[i:])
		best[i], scores[i], near[i] = n, score, isNear
	}
	return best
}

// before is the order in a subset. The id settles what is equal, so that the
// order of a shard's nodes does not.
func before(near bool, score uint64, n *node, otherNear bool, otherScore uint64, other *node) bool {
	if near != otherNear {
		return near
	}
	if score != otherScore {
		return score > otherScore
	}
	return n.id < other.id
}

// mix spreads what two hashes differ in over all bits (the finalizer of
// MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
