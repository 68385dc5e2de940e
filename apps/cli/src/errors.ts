/** One line (or the listed lines of a configuration error): what went wrong and what to do, never a stack trace. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, address, port } = listenError(error);
  if (code === 'EADDRINUSE')
    return `port ${port} on ${address} is in use; choose another with --http-port N (0 = any free one)`;
  if (code === 'EACCES') return `not allowed to listen on port ${port}; choose one above 1023 with --http-port N`;
  const cause =
    error.cause instanceof Error && !error.message.includes(error.cause.message) ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`;
}

/** What `listen` failed with, wherever it stands in the chain of causes. */
function listenError(error: Error): { code?: string; address?: string; port?: number } {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    const found = e as NodeJS.ErrnoException & { address?: string; port?: number };
    if (found.syscall === 'listen') return found;
  }
  return {};
}
