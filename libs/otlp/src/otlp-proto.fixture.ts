/** The messages of opentelemetry-proto v1.10.0 that a profile needs, for an independent parser. */
export const OTLP_PROTO = `
syntax = "proto3";
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
  bytes bytes_value = 7; int32 string_value_strindex = 8; } }
message KeyValue { string key = 1; AnyValue value = 2; int32 key_strindex = 3; }
message Resource { repeated KeyValue attributes = 1; }
message ExportProfilesServiceRequest { repeated ResourceProfiles resource_profiles = 1; ProfilesDictionary dictionary = 2; }
message ResourceProfiles { Resource resource = 1; repeated ScopeProfiles scope_profiles = 2; }
message ScopeProfiles { repeated Profile profiles = 2; }
message ValueType { int32 type_strindex = 1; int32 unit_strindex = 2; }
message Profile { ValueType sample_type = 1; repeated Sample samples = 2; fixed64 time_unix_nano = 3; uint64 duration_nano = 4;
  ValueType period_type = 5; int64 period = 6; repeated int32 attribute_indices = 11; }
message Sample { int32 stack_index = 1; repeated int32 attribute_indices = 2; repeated int64 values = 4;
  repeated fixed64 timestamps_unix_nano = 5; }
message ProfilesDictionary { repeated Mapping mapping_table = 1; repeated Location location_table = 2;
  repeated Function function_table = 3; repeated string string_table = 5; repeated KeyValueAndUnit attribute_table = 6;
  repeated Stack stack_table = 7; }
message Mapping { uint64 memory_start = 1; uint64 memory_limit = 2; uint64 file_offset = 3; int32 filename_strindex = 4;
  repeated int32 attribute_indices = 5; }
message Location { int32 mapping_index = 1; uint64 address = 2; repeated Line lines = 3; repeated int32 attribute_indices = 4; }
message Line { int32 function_index = 1; int64 line = 2; }
message Function { int32 name_strindex = 1; int32 filename_strindex = 3; }
message KeyValueAndUnit { int32 key_strindex = 1; AnyValue value = 2; int32 unit_strindex = 3; }
message Stack { repeated int32 location_indices = 1; }
`;
