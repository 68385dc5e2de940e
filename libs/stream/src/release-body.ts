/**
 * Gives the memory of a message's body back at once. V8 counts buffers as used until it has marked the whole heap, and marks it
 * whenever some tens of megabytes of them have come together, which messages do many times a second; held until then they are
 * most of a consumer's memory. For whoever is the last to read these bytes: they are gone. A body that shares its buffer with others,
 * as those of a batch from Kafka do, stays.
 */
export function releaseBody(body: Uint8Array): void {
  const { buffer } = body;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === body.byteLength && !buffer.detached) buffer.transfer(0);
}
