package flags

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestReplaceSetsAllFlagsAtOnce(t *testing.T) {
	set := NewSet()
	for _, step := range []struct {
		list            []Flag
		changed         bool
		slow, throttled float64
	}{
		{nil, false, 0, 0},
		{[]Flag{{Slow, 0.5}}, true, 0.5, 0},
		{[]Flag{{Slow, 0.5}}, false, 0.5, 0},
		{[]Flag{{Slow, 1}, {Throttle, 5}}, true, 1, 5},
		{[]Flag{{Throttle, 5}}, true, 0, 5},
		{nil, true, 0, 0},
	} {
		if changed := set.Replace(step.list); changed != step.changed {
			t.Errorf("%v: changed is %v", step.list, changed)
		}
		if set.Value(Slow) != step.slow || set.Value(Throttle) != step.throttled || set.On(Slow) != (step.slow > 0) {
			t.Errorf("%v: slow %g, throttle %g", step.list, set.Value(Slow), set.Value(Throttle))
		}
	}
}

func TestWhileActsWithEachValueAndEndsWithTheFlag(t *testing.T) {
	set := NewSet()
	ctx, cancel := context.WithCancel(context.Background())
	values, done := make(chan float64), make(chan struct{})
	go func() {
		set.While(ctx, Slow, func(ctx context.Context, value float64) {
			values <- value
			<-ctx.Done()
			values <- -value
		})
		close(done)
	}()
	expect := func(wanted float64) {
		t.Helper()
		if got := <-values; got != wanted {
			t.Fatalf("got %g, want %g", got, wanted)
		}
	}
	set.Replace([]Flag{{Slow, 1}})
	expect(1)
	set.Replace([]Flag{{Slow, 2}})
	expect(-1)
	expect(2)
	set.Replace(nil)
	expect(-2)
	set.Replace([]Flag{{Slow, 3}})
	expect(3)
	cancel()
	expect(-3)
	<-done
}

func TestClientKeepsTheLastFlagsWhileTheServerFails(t *testing.T) {
	type reply struct {
		status int
		answer Answer
	}
	replies, asked := make(chan reply), make(chan string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.URL.Path + "?" + r.FormValue("service") + "," + r.FormValue("revision"):
		case <-r.Context().Done():
			return
		}
		next := <-replies
		w.WriteHeader(next.status)
		_ = json.NewEncoder(w).Encode(next.answer) // the test fails on the other side
	}))
	defer server.Close()
	set := NewSet()
	client := NewClient(server.URL+"/", "ledger", set, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { client.Run(ctx); close(done) }()
	for _, step := range []struct {
		asked string
		reply reply
		slow  float64
	}{
		{"/flags?ledger,", reply{200, Answer{"a", []Flag{{Slow, 1}}}}, 1},
		{"/flags?ledger,a", reply{500, Answer{}}, 1},
		{"/flags?ledger,a", reply{200, Answer{"b", nil}}, 0},
		{"/flags?ledger,b", reply{200, Answer{"c", []Flag{{Slow, 2}}}}, 2},
	} {
		if got := <-asked; got != step.asked {
			t.Errorf("asked %s, want %s", got, step.asked)
		}
		_, changed := set.Watch(Slow)
		before := set.Value(Slow)
		replies <- step.reply
		if before != step.slow {
			select {
			case <-changed:
			case <-time.After(10 * time.Second):
				t.Fatal("the flags did not change")
			}
		}
		if got := set.Value(Slow); got != step.slow {
			t.Errorf("slow is %g, want %g", got, step.slow)
		}
	}
	cancel()
	<-done
}
