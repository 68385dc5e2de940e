/**
 * Gives memory back at once. V8 counts buffers as used until it has marked the whole heap, and marks it whenever some tens of
 * megabytes of them have come together, which messages and blocks do many times a second; held until then they are most of a consumer's
 * memory. For whoever is the last to read these bytes: they are gone. What shares its buffer with others stays, as messages of a batch
 * from Kafka and short buffers of Node's pool do.
 */
export function releaseBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength && !buffer.detached) buffer.transfer(0);
}
