package broker

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
)

// firstWrite is closed when something is logged.
type firstWrite struct {
	once sync.Once
	done chan struct{}
}

func (w *firstWrite) Write(line []byte) (int, error) {
	w.once.Do(func() { close(w.done) })
	return len(line), nil
}

func TestLagIsAbsentWhileTheBrokerCanNotBeAsked(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	metrics, complained := NewMetrics(prometheus.NewRegistry()), &firstWrite{done: make(chan struct{})}
	broker, err := newKafka(address, "settlement", metrics.lag, slog.New(slog.NewTextHandler(complained, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.close()
	metrics.lag.WithLabelValues("payments", "settlement").Set(3)
	metrics.lag.WithLabelValues("orders", "settlement").Set(4)
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		producer, _ := broker.current()
		broker.watchLag(ctx, kadm.NewClient(producer), "payments", "settlement")
	})
	<-complained.done
	cancel()
	watching.Wait()
	if left := testutil.CollectAndCount(metrics.lag); left != 1 {
		t.Errorf("%d lags are shown, want that of the other topic alone", left)
	}
}
