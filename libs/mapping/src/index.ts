import { LINK_BYTES } from '@perfleet/otlp';

export { bodyHash, MessageMapper, ProfileMapper } from '@perfleet/native-mapping';
export type {
  BlockParts,
  BlockTable,
  BlockTables,
  MappedMessages,
  ProfileMessage,
  TableRows,
} from '@perfleet/native-mapping';

/** Bytes of a row in `MappedMessages.samples`. */
export const SAMPLE_ROW_BYTES = 36;
/** Bytes of a row in `MappedMessages.linked`. */
export const LINKED_ROW_BYTES = SAMPLE_ROW_BYTES + LINK_BYTES;
