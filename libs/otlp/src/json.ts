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
    const json = JSON.parse(text) as JsonValue;
    return toBinary(ExportProfilesSchema, fromJson(ExportProfilesSchema, json, { ignoreUnknownFields: true }));
  } catch (cause) {
    throw new OtlpDecodeError(cause instanceof Error ? cause.message : String(cause), 0, { cause });
  }
}
