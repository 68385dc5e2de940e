const whole = new WeakSet<Uint8Array>();

/** From now on these bytes stand for all of their buffer: it goes with them. For whoever knows that nobody else reads any of it. */
export function ownsBuffer(bytes: Uint8Array): void {
  whole.add(bytes);
}

/**
 * Gives memory back at once. V8 counts buffers as used until it has marked the whole heap, and marks it whenever some tens of
 * megabytes of them have come together, which messages and blocks do many times a second; held until then they are most of a consumer's
 * memory. For whoever is the last to read these bytes: they are gone. What shares its buffer with others stays, as messages that came
 * from Kafka in one batch and short buffers of Node's pool do.
 */
export function releaseBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const alone = buffer.byteLength === bytes.byteLength || whole.has(bytes);
  if (buffer instanceof ArrayBuffer && alone && !buffer.detached) buffer.transfer(0);
}
