package database

import "errors"

// IsUnbalanced tells whether a reconciliation failed because the books are wrong; the sums it gave are true then.
func IsUnbalanced(err error) bool { return errors.Is(err, errUnbalanced) }

// ImbalanceCents is by how much the sums are off; 0 when all is right.
func (r *Reconciliation) ImbalanceCents() int64 {
	return magnitude(r.EntriesCents) + magnitude(r.BalancesCents-r.ExpectedCents)
}

func magnitude(value int64) int64 { return max(value, -value) }
