import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Logger } from '@perfleet/observability';
import { ApiError } from '../http/api-error.ts';

const CODES: Readonly<Record<number, Code>> = {
  400: Code.InvalidArgument,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  413: Code.ResourceExhausted,
  429: Code.ResourceExhausted,
  499: Code.Canceled,
  501: Code.Unimplemented,
  503: Code.Unavailable,
};

/** The API's errors in the protocol's own form; what nobody expected is logged and answered without its details. */
export function connectErrors(logger: Logger): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      if (error instanceof ConnectError) throw error;
      if (error instanceof ApiError) {
        const at = error.position === undefined ? '' : ` (at character ${error.position + 1})`;
        throw new ConnectError(error.message + at, CODES[error.status] ?? Code.Internal, undefined, undefined, error);
      }
      const { name } = request.method;
      logger.error({ method: name, error: error instanceof Error ? error.stack : String(error) }, 'bug');
      throw new ConnectError(
        'an error inside the API; its log has the details',
        Code.Internal,
        undefined,
        undefined,
        error,
      );
    }
  };
}
