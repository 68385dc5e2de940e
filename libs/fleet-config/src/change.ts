import type { FleetConfig, Override } from './document.ts';

/** A change that cannot be applied; the message names the field and the fix. */
export class ConfigChangeError extends Error {
  override readonly name = 'ConfigChangeError';
}

type Json = Record<string, unknown>;
const UNSAFE = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Applies `key=value` assignments to the defaults, or to the override that means exactly `node` (a name or a pattern), which is
 * added at the end when there is none. Keys are dotted (`budget.cpuPercent`); values are JSON, or else text; an empty value takes
 * the field out again. The result is not validated: `parseFleetConfig` does that.
 * @throws ConfigChangeError
 */
export function assign(document: unknown, assignments: readonly string[], node?: string): unknown {
  const copy = structuredClone(isObject(document) ? document : {});
  const settings = node === undefined ? child(copy, 'defaults') : settingsOf(copy, node);
  for (const assignment of assignments) {
    const at = assignment.indexOf('=');
    if (at < 1) throw new ConfigChangeError(`${assignment}: expected key=value, e.g. rateHz=49`);
    put(settings, assignment.slice(0, at).trim(), assignment.slice(at + 1).trim());
  }
  return tidy(copy);
}

function settingsOf(document: Json, node: string): Json {
  const overrides = Array.isArray(document['overrides']) ? (document['overrides'] as Json[]) : [];
  document['overrides'] = overrides;
  const same = (o: unknown) =>
    isObject(o) && Array.isArray(o['nodes']) && o['nodes'].length === 1 && o['nodes'][0] === node && !o['clusters'];
  let override = overrides.findLast(same);
  if (!override) overrides.push((override = { nodes: [node], settings: {} }));
  return child(override, 'settings');
}

function put(settings: Json, key: string, text: string): void {
  const parts = key.split('.');
  if (parts.some((part) => part === '' || UNSAFE.has(part)))
    throw new ConfigChangeError(`${key}: there is no such field`);
  const last = parts.pop()!;
  let target = settings;
  for (const part of parts) target = child(target, part);
  if (text === '') delete target[last];
  else target[last] = valueOf(text);
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function child(parent: Json, key: string): Json {
  const found = parent[key];
  if (isObject(found)) return found;
  const made: Json = {};
  parent[key] = made;
  return made;
}

/** What states nothing goes: empty objects, and overrides without settings. */
function tidy(document: Json): Json {
  const clean = (value: Json): void => {
    for (const [key, inner] of Object.entries(value)) {
      if (!isObject(inner)) continue;
      clean(inner);
      if (Object.keys(inner).length === 0) delete value[key];
    }
  };
  if (isObject(document['defaults'])) clean(document['defaults']);
  if (Array.isArray(document['overrides'])) {
    for (const override of document['overrides']) if (isObject(override)) clean(override);
    document['overrides'] = document['overrides'].filter((o: unknown) => !isObject(o) || o['settings'] !== undefined);
    if ((document['overrides'] as unknown[]).length === 0) delete document['overrides'];
  }
  if (isObject(document['defaults']) && Object.keys(document['defaults']).length === 0) delete document['defaults'];
  return document;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What differs between two documents, one line a field: `defaults.rateHz: 19 -> 49`. Overrides go by the nodes that they name. */
export function describeChange(before: FleetConfig, after: FleetConfig): string[] {
  const [old, now] = [flatten(before), flatten(after)];
  const keys = [...new Set([...old.keys(), ...now.keys()])];
  return keys
    .filter((key) => old.get(key) !== now.get(key))
    .map((key) => `${key}: ${old.get(key) ?? 'not stated'} -> ${now.get(key) ?? 'not stated'}`);
}

function flatten({ defaults = {}, overrides = [] }: FleetConfig): Map<string, string> {
  const lines = new Map<string, string>();
  const walk = (prefix: string, value: object) => {
    for (const [key, inner] of Object.entries(value)) {
      const name = `${prefix}.${key}`;
      if (isObject(inner)) walk(name, inner);
      else if (inner !== undefined) lines.set(name, JSON.stringify(inner));
    }
  };
  walk('defaults', defaults);
  const seen = new Map<string, number>();
  for (const override of overrides) {
    const name = nameOf(override);
    const nth = (seen.get(name) ?? 0) + 1;
    seen.set(name, nth);
    walk(nth === 1 ? name : `${name} (${nth})`, override.settings);
  }
  return lines;
}

function nameOf({ nodes, clusters }: Override): string {
  return `nodes ${nodes.join(', ')}${clusters ? ` of ${clusters.join(', ')}` : ''}`;
}
