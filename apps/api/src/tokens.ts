/** Injection tokens: everything a controller needs is named, never found by reflected types. */
export const DB = Symbol('Db');
export const PROFILES = Symbol('ProfileQueries');
export const SQL = Symbol('SqlService');
export const NODES = Symbol('NodeQueries');
export const ALERTS = Symbol('AlertService');
export const CONFIG = Symbol('ConfigService');
export const LOGGER = Symbol('Logger');
export const METRICS = Symbol('Metrics');
export const PROFILE_SOURCE = Symbol('ProfileSource');
export const SIGN_IN = Symbol('sign-in');
