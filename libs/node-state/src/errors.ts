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

/** Something that is no document stands where the configuration should. */
export class ConfigUnreadableError extends Error {
  override readonly name = 'ConfigUnreadableError';

  constructor(place: string) {
    super(`the configuration in the store (${place}) is not readable; put it right with \`perfleet config edit\``);
  }
}
