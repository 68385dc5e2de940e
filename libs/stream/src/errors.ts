/** The log cannot be reached or did not take the message; try again later. */
export class StreamUnavailableError extends Error {
  override readonly name = 'StreamUnavailableError';
}

/** The partition has another owner by now; what this handler holds must be dropped. */
export class StaleAssignmentError extends Error {
  override readonly name = 'StaleAssignmentError';
}
