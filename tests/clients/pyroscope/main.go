// Package main talks to a profile store with Pyroscope's own client libraries, as Grafana's Pyroscope data source does
// (grafana/grafana, pkg/tsdb/grafana-pyroscope-datasource/pyroscopeClient.go), and as a program with its SDK does.
//
//	main record DIR               writes the bodies that the client sends, for one example of each method
//	main query URL START END      asks a server, times in Unix milliseconds, and prints the answers as JSON
//	main push URL FILE SERVICE    sends a pprof file by push.v1.PusherService
//	main sdk URL SERVICE          profiles itself with pyroscope-go for a moment
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	pyroscope "github.com/grafana/pyroscope-go"
	profilev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const cpu = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

type call struct {
	name string
	ask  func() (proto.Message, error)
}

func calls(client querierv1connect.QuerierServiceClient, start, end int64) []call {
	ctx := context.Background()
	nodes, limit := int64(4), int64(1)
	stacks := func(selector string, maxNodes *int64) *querierv1.SelectMergeStacktracesRequest {
		return &querierv1.SelectMergeStacktracesRequest{ProfileTypeID: cpu, LabelSelector: selector, Start: start, End: end, MaxNodes: maxNodes}
	}
	return []call{
		{"ProfileTypes", func() (proto.Message, error) {
			return message(client.ProfileTypes(ctx, connect.NewRequest(&querierv1.ProfileTypesRequest{Start: start, End: end})))
		}},
		{"LabelNames", func() (proto.Message, error) {
			return message(client.LabelNames(ctx, connect.NewRequest(&typesv1.LabelNamesRequest{Matchers: []string{"{}"}, Start: start, End: end})))
		}},
		{"LabelValues", func() (proto.Message, error) {
			return message(client.LabelValues(ctx, connect.NewRequest(&typesv1.LabelValuesRequest{Name: "service_name", Matchers: []string{`{namespace="shop"}`}, Start: start, End: end})))
		}},
		{"Series", func() (proto.Message, error) {
			return message(client.Series(ctx, connect.NewRequest(&querierv1.SeriesRequest{LabelNames: []string{"service_name", "__profile_type__"}, Start: start, End: end})))
		}},
		{"SelectSeries", func() (proto.Message, error) {
			return message(client.SelectSeries(ctx, connect.NewRequest(&querierv1.SelectSeriesRequest{ProfileTypeID: cpu, LabelSelector: "{}", Start: start, End: end, Step: 15, GroupBy: []string{"service_name"}})))
		}},
		{"SelectSeriesLimit", func() (proto.Message, error) {
			return message(client.SelectSeries(ctx, connect.NewRequest(&querierv1.SelectSeriesRequest{ProfileTypeID: cpu, LabelSelector: "{}", Start: start, End: end, Step: 15, GroupBy: []string{"service_name"}, Limit: &limit})))
		}},
		{"SelectMergeStacktraces", func() (proto.Message, error) {
			return message(client.SelectMergeStacktraces(ctx, connect.NewRequest(stacks(`{service_name="checkout"}`, nil))))
		}},
		{"SelectMergeStacktracesNodes", func() (proto.Message, error) {
			return message(client.SelectMergeStacktraces(ctx, connect.NewRequest(stacks("{}", &nodes))))
		}},
		{"SelectMergeProfile", func() (proto.Message, error) {
			return message(client.SelectMergeProfile(ctx, connect.NewRequest(&querierv1.SelectMergeProfileRequest{ProfileTypeID: cpu, LabelSelector: `{service_name="checkout"}`, Start: start, End: end})))
		}},
		{"Diff", func() (proto.Message, error) {
			return message(client.Diff(ctx, connect.NewRequest(&querierv1.DiffRequest{Left: stacks(`{service_name="checkout"}`, nil), Right: stacks(`{service_name="search"}`, nil)})))
		}},
		{"GetProfileStats", func() (proto.Message, error) {
			return message(client.GetProfileStats(ctx, connect.NewRequest(&typesv1.GetProfileStatsRequest{})))
		}},
	}
}

func message[T any](response *connect.Response[T], err error) (proto.Message, error) {
	if err != nil {
		return nil, err
	}
	return any(response.Msg).(proto.Message), nil
}

func record(dir string) {
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	}))
	defer server.Close()
	client := querierv1connect.NewQuerierServiceClient(http.DefaultClient, server.URL)
	for _, c := range calls(client, 1700000000000, 1700000060000) {
		_, err := c.ask()
		check(err)
		check(os.WriteFile(filepath.Join(dir, c.name+".binpb"), body, 0o644))
	}
}

func query(url string, start, end int64) {
	client := querierv1connect.NewQuerierServiceClient(http.DefaultClient, url)
	answers := map[string]json.RawMessage{}
	for _, c := range calls(client, start, end) {
		answer, err := c.ask()
		check(err)
		if profile, ok := answer.(*profilev1.Profile); ok {
			answers[c.name] = folded(profile)
			continue
		}
		text, err := protojson.Marshal(answer)
		check(err)
		answers[c.name] = text
	}
	check(json.NewEncoder(os.Stdout).Encode(answers))
}

// folded is a profile's stacks, root first, with their first value.
func folded(profile *profilev1.Profile) json.RawMessage {
	names, lines := map[uint64]string{}, map[uint64][]string{}
	for _, f := range profile.Function {
		names[f.Id] = profile.StringTable[f.Name]
	}
	for _, l := range profile.Location {
		for _, line := range l.Line {
			lines[l.Id] = append(lines[l.Id], names[line.FunctionId])
		}
	}
	sums := map[string]int64{}
	for _, s := range profile.Sample {
		var stack []string
		for _, id := range s.LocationId {
			stack = append(stack, lines[id]...)
		}
		for i, j := 0, len(stack)-1; i < j; i, j = i+1, j-1 {
			stack[i], stack[j] = stack[j], stack[i]
		}
		sums[strings.Join(stack, ";")] += s.Value[0]
	}
	text, err := json.Marshal(sums)
	check(err)
	return text
}

func push(url, file, service string) {
	profile, err := os.ReadFile(file)
	check(err)
	client := pushv1connect.NewPusherServiceClient(http.DefaultClient, url)
	_, err = client.Push(context.Background(), connect.NewRequest(&pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{{
		Labels:  []*typesv1.LabelPair{{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: service}, {Name: "region", Value: "eu"}},
		Samples: []*pushv1.RawSample{{ID: "734FD599-6865-419E-9475-932762D8F469", RawProfile: profile}},
	}}}))
	check(err)
}

var sink [][]byte

func spin(until time.Time) {
	for x := uint64(1); time.Now().Before(until); {
		for i := 0; i < 1_000_000; i++ {
			x = x*2862933555777941757 + 3037000493
		}
		if x == 42 {
			sink = nil
		}
	}
}

func sdk(url, service string) {
	// Every allocation, so that what is held is told to the byte.
	runtime.MemProfileRate = 1
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: service,
		ServerAddress:   url,
		UploadRate:      2 * time.Second,
		Tags:            map[string]string{"region": "eu"},
		ProfileTypes: []pyroscope.ProfileType{
			pyroscope.ProfileCPU, pyroscope.ProfileInuseObjects, pyroscope.ProfileAllocObjects, pyroscope.ProfileInuseSpace,
			pyroscope.ProfileAllocSpace, pyroscope.ProfileGoroutines, pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration,
			pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration,
		},
	})
	check(err)
	for i := 0; i < 256; i++ {
		sink = append(sink, make([]byte, 1<<20))
	}
	// A heap profile is of the last collection: it has to know what is held.
	runtime.GC()
	wait := make(chan struct{})
	go func() { spin(time.Now().Add(3 * time.Second)); close(wait) }()
	<-wait
	profiler.Flush(true)
	check(profiler.Stop())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	arg := func(i int) string {
		if i >= len(os.Args) {
			check(fmt.Errorf("an argument is missing; the package comment says which"))
		}
		return os.Args[i]
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(arg(i), 10, 64)
		check(err)
		return n
	}
	switch arg(1) {
	case "record":
		record(arg(2))
	case "query":
		query(arg(2), number(3), number(4))
	case "push":
		push(arg(2), arg(3), arg(4))
	case "sdk":
		sdk(arg(2), arg(3))
	default:
		check(fmt.Errorf("%s: not known", arg(1)))
	}
}
