/** The sampler wrote something that its protocol (native/sampler/PROTOCOL.md) does not allow. */
export class SamplerProtocolError extends Error {
  override readonly name = 'SamplerProtocolError';
}
