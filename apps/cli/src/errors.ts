/** One line (or the listed lines of a configuration error): what went wrong and what to do, never a stack trace. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  const address = error as { address?: string; port?: number };
  if (code === 'EADDRINUSE')
    return `port ${address.port} on ${address.address} is in use; choose another with --http-port N (0 = any free one)`;
  if (code === 'EACCES' && address.port !== undefined)
    return `not allowed to listen on port ${address.port}; choose one above 1023 with --http-port N`;
  const cause =
    error.cause instanceof Error && !error.message.includes(error.cause.message) ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`;
}
