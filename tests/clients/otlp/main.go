// Package main sends a profile with the OpenTelemetry Collector's own client of OTLP Profiles over gRPC.
//
//	main ADDRESS SERVICE [gzip]      two stacks of 20 and 10 ms, main > work in a span, and main
//	main ADDRESS SERVICE broken      a profile whose stack index points nowhere
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/pprofile/pprofileotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

func profiles(service string, stackOfLast int32) pprofile.Profiles {
	all := pprofile.NewProfiles()
	dictionary := all.Dictionary()
	dictionary.StringTable().FromRaw([]string{"", "samples", "count", "cpu", "nanoseconds", "profile.frame.type", "main", "work", "main.go"})
	dictionary.MappingTable().AppendEmpty()
	dictionary.LinkTable().AppendEmpty()
	link := dictionary.LinkTable().AppendEmpty()
	link.SetTraceID(pcommon.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36})
	link.SetSpanID(pcommon.SpanID{0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7})
	dictionary.AttributeTable().AppendEmpty()
	kind := dictionary.AttributeTable().AppendEmpty()
	kind.SetKeyStrindex(5)
	kind.Value().SetStr("go")
	dictionary.FunctionTable().AppendEmpty()
	dictionary.LocationTable().AppendEmpty()
	for i := int32(1); i <= 2; i++ {
		function := dictionary.FunctionTable().AppendEmpty()
		function.SetNameStrindex(5 + i)
		function.SetFilenameStrindex(8)
		location := dictionary.LocationTable().AppendEmpty()
		location.AttributeIndices().Append(1)
		location.Lines().AppendEmpty().SetFunctionIndex(i)
	}
	dictionary.StackTable().AppendEmpty()
	dictionary.StackTable().AppendEmpty().LocationIndices().Append(2, 1)
	dictionary.StackTable().AppendEmpty().LocationIndices().Append(1)

	resource := all.ResourceProfiles().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	resource.Resource().Attributes().PutStr("host.name", "grpc-host")
	profile := resource.ScopeProfiles().AppendEmpty().Profiles().AppendEmpty()
	profile.SampleType().SetTypeStrindex(1)
	profile.SampleType().SetUnitStrindex(2)
	profile.PeriodType().SetTypeStrindex(3)
	profile.PeriodType().SetUnitStrindex(4)
	profile.SetPeriod(10_000_000)
	for stack, count := range map[int32]int64{1: 2, stackOfLast: 1} {
		sample := profile.Samples().AppendEmpty()
		sample.SetStackIndex(stack)
		sample.Values().Append(count)
		if stack == 1 {
			sample.SetLinkIndex(1)
		}
	}
	return all
}

func main() {
	address, service := os.Args[1], os.Args[2]
	var options []grpc.CallOption
	last := int32(2)
	for _, word := range os.Args[3:] {
		if word == "gzip" {
			options = append(options, grpc.UseCompressor("gzip"))
		} else {
			last = 99
		}
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request := pprofileotlp.NewExportRequestFromProfiles(profiles(service, last))
	_, err = pprofileotlp.NewGRPCClient(connection).Export(ctx, request, options...)
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, status.Code(err), err)
		os.Exit(1)
	}
}
