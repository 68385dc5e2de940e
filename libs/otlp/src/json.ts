import { fromJson, toBinary, type JsonValue } from '@bufbuild/protobuf';
import { OtlpDecodeError } from './errors.ts';
import { ExportProfilesSchema } from './gen/profiles_pb.ts';

/**
 * The binary form of a request in OTLP's JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), for
 * `decodeProfiles`. Fields that are not read are left out.
 * @throws OtlpDecodeError
 */
export function profilesFromJson(text: string): Uint8Array {
  try {
    const json = withBinaryIds(JSON.parse(text) as JsonValue);
    return toBinary(ExportProfilesSchema, fromJson(ExportProfilesSchema, json, { ignoreUnknownFields: true }));
  } catch (cause) {
    throw new OtlpDecodeError(cause instanceof Error ? cause.message : String(cause), 0, { cause });
  }
}

type JsonObject = { readonly [key: string]: JsonValue };

const isObject = (json: JsonValue | undefined): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** In OTLP's JSON the ids of traces and spans are hexadecimal, and not base64 as bytes are elsewhere. What is neither is no id. */
function withBinaryIds(json: JsonValue): JsonValue {
  const dictionary = isObject(json) ? json['dictionary'] : undefined;
  if (!isObject(json) || !isObject(dictionary)) return json;
  const { linkTable, link_table: same, ...tables } = dictionary;
  const links = linkTable ?? same;
  if (!Array.isArray(links)) return json;
  const id = (value: JsonValue | undefined) =>
    typeof value === 'string' && /^([0-9a-f]{2})*$/i.test(value)
      ? Buffer.from(value, 'hex').toString('base64')
      : 'AA==';
  const binary = links.map((link) =>
    isObject(link)
      ? { traceId: id(link['traceId'] ?? link['trace_id'] ?? ''), spanId: id(link['spanId'] ?? link['span_id'] ?? '') }
      : link,
  );
  return { ...json, dictionary: { ...tables, linkTable: binary } };
}
