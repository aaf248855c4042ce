package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	deliveryTimeout = 10 * time.Second
	commitEvery     = time.Second
	lagEvery        = 5 * time.Second
	lagTimeout      = 4 * time.Second
	fetchBytes      = 1 << 20
	metadataMaxAge  = 30 * time.Second
)

// kafka publishes with one client and consumes with one more for each group. A broker that lost its data has new topics
// under the old names, which a client of the old ones never finds; so clients are renewed when a topic's id changes.
type kafka struct {
	address string
	name    string
	lag     *prometheus.GaugeVec
	log     *slog.Logger

	mutex    sync.Mutex
	producer *kgo.Client
	renewed  chan struct{}
	topics   map[string]kadm.TopicID
}

func newKafka(address, name string, lag *prometheus.GaugeVec, log *slog.Logger) (*kafka, error) {
	k := &kafka{address: address, name: name, lag: lag, log: log, renewed: make(chan struct{}), topics: map[string]kadm.TopicID{}}
	var err error
	k.producer, err = k.newProducer()
	return k, err
}

func (k *kafka) newProducer() (*kgo.Client, error) {
	return kgo.NewClient(append(k.options(),
		// Exactly once is the ledger's business (a payment's id); without it a broker that went away is left sooner.
		kgo.DisableIdempotentWrite(),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(deliveryTimeout),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(fetchBytes),
		kgo.UnknownTopicRetries(2),
	)...)
}

// current is the producer and a channel that is closed when another takes its place.
func (k *kafka) current() (*kgo.Client, <-chan struct{}) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.producer, k.renewed
}

func (k *kafka) renew(topic string) error {
	next, err := k.newProducer()
	if err != nil {
		return err
	}
	k.mutex.Lock()
	previous := k.producer
	k.producer = next
	close(k.renewed)
	k.renewed = make(chan struct{})
	k.mutex.Unlock()
	previous.Close()
	k.log.Warn("the topic is another one of the same name; connecting anew", "topic", topic)
	return nil
}

func (k *kafka) options() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(k.address),
		kgo.ClientID(k.name),
		kgo.MetadataMaxAge(metadataMaxAge),
		kgo.MetadataMinAge(time.Second),
		kgo.RetryTimeout(deliveryTimeout),
		kgo.DisableClientMetrics(),
	}
}

func (k *kafka) announce(topic string) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if _, known := k.topics[topic]; !known {
		k.topics[topic] = kadm.TopicID{}
	}
}

func (k *kafka) publish(ctx context.Context, message Message) error {
	k.announce(message.Topic)
	record := &kgo.Record{Topic: message.Topic, Key: message.Key, Value: message.Value}
	for name, value := range message.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	producer, _ := k.current()
	return producer.ProduceSync(ctx, record).FirstErr()
}

func (k *kafka) check(ctx context.Context) error {
	k.mutex.Lock()
	names := slices.Sorted(maps.Keys(k.topics))
	k.mutex.Unlock()
	producer, _ := k.current()
	if len(names) == 0 {
		return producer.Ping(ctx)
	}
	found, err := kadm.NewClient(producer).ListTopics(ctx, names...)
	if err != nil {
		return err
	}
	for _, topic := range found.Sorted() {
		if topic.Err != nil {
			return fmt.Errorf("topic %s: %w", topic.Topic, topic.Err)
		}
	}
	if changed := k.identify(found); changed != "" {
		return k.renew(changed)
	}
	return nil
}

// identify remembers the topics' ids and names one that had another id before.
func (k *kafka) identify(found kadm.TopicDetails) (changed string) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for name, topic := range found {
		if before := k.topics[name]; before != topic.ID && before != (kadm.TopicID{}) {
			changed = name
		}
		k.topics[name] = topic.ID
	}
	return changed
}

func (k *kafka) close() {
	producer, _ := k.current()
	producer.Close()
}

func (k *kafka) consume(ctx context.Context, topic, group string, handle func(context.Context, Message) error) error {
	k.announce(topic)
	for ctx.Err() == nil {
		if err := k.session(ctx, topic, group, handle); err != nil {
			return err
		}
	}
	return nil
}

// session consumes with one client until ctx is done or the clients are renewed.
func (k *kafka) session(ctx context.Context, topic, group string, handle func(context.Context, Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	producer, renewed := k.current()
	go func() {
		select {
		case <-renewed:
			cancel()
		case <-ctx.Done():
		}
	}()
	workers := newPartitions(ctx, handle, k.log)
	client, err := kgo.NewClient(append(k.options(),
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchBytes),
		kgo.BrokerMaxReadBytes(16*fetchBytes),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commitEvery),
		kgo.OnPartitionsRevoked(func(ctx context.Context, client *kgo.Client, gone map[string][]int32) {
			workers.stop(gone)
			if err := client.CommitMarkedOffsets(ctx); err != nil {
				k.log.Warn("offsets were not committed", "topic", topic, "group", group, "error", err.Error())
			}
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { workers.stop(gone) }),
	)...)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	workers.client = client
	var watching sync.WaitGroup
	watching.Go(func() { k.watchLag(ctx, kadm.NewClient(producer), topic, group) })
	defer watching.Wait()
	for {
		fetches := client.PollRecords(ctx, 500)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			workers.stopAll()
			return nil
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			k.log.Warn("fetching failed", "topic", topic, "partition", partition, "error", err.Error())
		})
		fetches.EachPartition(workers.give)
	}
}

func (k *kafka) watchLag(ctx context.Context, admin *kadm.Client, topic, group string) {
	ticker := time.NewTicker(lagEvery)
	defer ticker.Stop()
	complaint := ""
	for {
		text := ""
		lag, err := groupLag(ctx, admin, topic, group)
		if err == nil {
			k.lag.WithLabelValues(topic, group).Set(float64(lag))
		} else if ctx.Err() == nil {
			// The last value known would go on saying that all is well.
			k.lag.DeleteLabelValues(topic, group)
			text = err.Error()
		}
		if text != "" && text != complaint {
			k.log.Warn("the lag could not be measured", "topic", topic, "group", group, "error", text)
		}
		complaint = text
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// groupLag is how many messages of the topic lie after the offsets that the group has committed.
func groupLag(ctx context.Context, admin *kadm.Client, topic, group string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		return 0, err
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err := errors.Join(err, starts.Error()); err != nil {
		return 0, err
	}
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0, err
	}
	total := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		position := int64(0)
		if start, found := starts.Lookup(topic, end.Partition); found {
			position = start.Offset
		}
		if offset, found := committed.Lookup(topic, end.Partition); found && offset.At > position {
			position = offset.At
		}
		total += max(0, end.Offset-position)
	})
	return total, nil
}
