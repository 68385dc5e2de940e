import type { FleetConfig } from '@perfleet/fleet-config';

/** The same, to be read only; a configuration stays as its own library has it. */
export type Immutable<T> = [T, FleetConfig] extends [FleetConfig, T]
  ? T
  : T extends ReadonlyArray<infer E>
    ? ReadonlyArray<Immutable<E>>
    : T extends object
      ? { readonly [K in keyof T]: Immutable<T[K]> }
      : T;
