package broker

import (
	"strconv"
	"time"
)

// Published counts a message that a role published over a connection of its own.
func (c *Client) Published(topic string, err error) {
	c.metrics.published.WithLabelValues(topic, outcome(err)).Inc()
}

// Consumed counts a message that a role took over a connection of its own. The age of one that succeeded is measured
// from producedAt, the value of its header ProducedAt; without one it has no age.
func (c *Client) Consumed(topic, group, producedAt string, err error) {
	c.metrics.consumed.WithLabelValues(topic, group, outcome(err)).Inc()
	if produced, parsing := strconv.ParseInt(producedAt, 10, 64); err == nil && parsing == nil {
		c.metrics.age.WithLabelValues(topic, group).Observe(max(0, time.Since(time.UnixMilli(produced)).Seconds()))
	}
}

// Buried counts a message that a role gave up as a dead letter.
func (c *Client) Buried(topic, group string) {
	c.metrics.consumed.WithLabelValues(topic, group, "dead-letter").Inc()
}
