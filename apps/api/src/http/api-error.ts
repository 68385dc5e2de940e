import type { ErrorResponse } from '@perfleet/api-contract';

/** A refusal with its HTTP status; `position` points into what the user wrote, 0-based. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly position?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  toBody(): ErrorResponse {
    const { code, message, position } = this;
    return { error: position === undefined ? { code, message } : { code, message, position } };
  }
}

export const badRequest = (message: string, position?: number) => new ApiError(400, 'bad-request', message, position);
export const notFound = (message: string) => new ApiError(404, 'not-found', message);
