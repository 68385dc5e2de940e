export { MessageMapper, ProfileMapper } from '@perfleet/native-mapping';
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
