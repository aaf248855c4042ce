package broker

import (
	"context"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

type partitionID struct {
	topic     string
	partition int32
}

// partitions processes each partition in a goroutine of its own, so that one that is held up does not hold up the
// others. A partition is paused while its goroutine has work.
type partitions struct {
	ctx    context.Context
	handle func(context.Context, Message) error
	log    *slog.Logger
	client *kgo.Client

	mutex   sync.Mutex
	workers map[partitionID]*worker
}

type worker struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func newPartitions(ctx context.Context, handle func(context.Context, Message) error, log *slog.Logger) *partitions {
	return &partitions{ctx: ctx, handle: handle, log: log, workers: map[partitionID]*worker{}}
}

// give hands a batch to its partition's goroutine; the partition is fetched again when the batch is over.
func (p *partitions) give(batch kgo.FetchTopicPartition) {
	if len(batch.Records) == 0 {
		return
	}
	id := partitionID{batch.Topic, batch.Partition}
	p.client.PauseFetchPartitions(map[string][]int32{id.topic: {id.partition}})
	p.mutex.Lock()
	defer p.mutex.Unlock()
	previous := p.workers[id]
	ctx, cancel := context.WithCancel(p.ctx)
	current := &worker{cancel, make(chan struct{})}
	p.workers[id] = current
	go func() {
		defer close(current.done)
		defer cancel()
		if previous != nil {
			<-previous.done
		}
		if p.work(ctx, batch.Records) {
			p.client.ResumeFetchPartitions(map[string][]int32{id.topic: {id.partition}})
		}
	}()
}

// work processes records in order; it tells whether it got to their end.
func (p *partitions) work(ctx context.Context, records []*kgo.Record) bool {
	for _, record := range records {
		if ctx.Err() != nil {
			return false
		}
		message := Message{Topic: record.Topic, Key: record.Key, Value: record.Value, Headers: map[string]string{}}
		for _, header := range record.Headers {
			message.Headers[header.Key] = string(header.Value)
		}
		if err := p.handle(ctx, message); err != nil {
			return false
		}
		p.client.MarkCommitRecords(record)
	}
	return true
}

// stop ends the work on partitions that now belong to another member, after the message in hand.
func (p *partitions) stop(gone map[string][]int32) {
	var ended []*worker
	p.mutex.Lock()
	for topic, list := range gone {
		for _, partition := range list {
			id := partitionID{topic, partition}
			if found := p.workers[id]; found != nil {
				found.cancel()
				ended = append(ended, found)
				delete(p.workers, id)
			}
		}
	}
	p.mutex.Unlock()
	for _, one := range ended {
		<-one.done
	}
	// Should they come back to this member, they must not come back paused.
	p.client.ResumeFetchPartitions(gone)
}

// stopAll ends all work after the messages in hand.
func (p *partitions) stopAll() {
	all := map[string][]int32{}
	p.mutex.Lock()
	for id := range p.workers {
		all[id.topic] = append(all[id.topic], id.partition)
	}
	p.mutex.Unlock()
	p.stop(all)
}
