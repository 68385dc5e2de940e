/** The store cannot be reached right now; the call had no effect that is known. Try again later. */
export class NodeStateUnavailableError extends Error {
  override readonly name = 'NodeStateUnavailableError';
}

/** Somebody else changed the configuration document since it was read: read it again and repeat the change. */
export class ConfigConflictError extends Error {
  override readonly name = 'ConfigConflictError';

  constructor(
    readonly expectedVersion: number,
    readonly actualVersion: number,
  ) {
    super(
      `the configuration is at version ${actualVersion}, not ${expectedVersion}: read it again and repeat the change`,
    );
  }
}
