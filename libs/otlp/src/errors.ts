/** The bytes are not the Protocol Buffers wire format; `offset` is where reading stopped. */
export class WireError extends Error {
  override readonly name: string = 'WireError';
  /** @param reason what is wrong, without the place */
  constructor(
    readonly reason: string,
    readonly offset: number,
    options?: ErrorOptions,
  ) {
    super(`${reason} (at byte ${offset})`, options);
  }
}

/** The bytes are not a message this library takes; `offset` is where reading stopped. */
export class OtlpDecodeError extends WireError {
  override readonly name = 'OtlpDecodeError';
}
