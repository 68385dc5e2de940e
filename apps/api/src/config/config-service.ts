import type { ConfigHistoryResponse, ConfigResponse } from '@perfleet/api-contract';
import { describeChange, parseFleetConfig, resolveSettings, type FleetConfig } from '@perfleet/fleet-config';
import {
  ConfigConflictError,
  ConfigUnreadableError,
  type ConfigDocument,
  type NodeStateStore,
} from '@perfleet/node-state';
import { z } from 'zod';
import { ApiError, badRequest } from '../http/api-error.ts';
import { reachNodeState } from '../nodes/reach.ts';

const requestSchema = z.strictObject({
  document: z.unknown(),
  version: z.number().int().min(0).optional(),
  by: z.string().max(200).optional(),
  comment: z.string().max(2000).optional(),
});

const NOTHING = { version: 0, changedAt: 0, by: '', comment: '' };

/** Reads and replaces the fleet's configuration; nothing invalid goes in. Every replica answers alike. */
export class ConfigService {
  constructor(private readonly store: NodeStateStore) {}

  async get(node?: string): Promise<ConfigResponse> {
    return reachNodeState(async () => {
      const { config } = this.store;
      try {
        const answer = responseOf(await config.get());
        if (node === undefined) return answer;
        const cluster = (await this.store.get(node))?.state.cluster ?? '';
        return { ...answer, node, settings: resolveSettings(answer.document, { node, cluster }) };
      } catch (error) {
        if (!(error instanceof ConfigUnreadableError)) throw error;
        const version = (await config.revision().catch(() => null))?.version ?? 0;
        return { ...NOTHING, version, document: {}, error: error.message };
      }
    });
  }

  /** @param ifMatch the header, if there is one. @throws ApiError 400, 409, 412, 428 */
  async put(body: unknown, ifMatch: string | undefined): Promise<ConfigResponse> {
    const request = requestSchema.safeParse(body);
    if (!request.success) {
      const issues = request.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
      throw badRequest(`${issues.join('; ')}; the body is {"document": {…}, "version": 3}`);
    }
    const { document, version, by, comment } = request.data;
    const parsed = parseFleetConfig(document);
    if (!parsed.ok) throw new ApiError(400, 'invalid-config', parsed.errors.join('; '));
    const expected = expectedVersion(ifMatch, version);
    try {
      await reachNodeState(() => this.store.config.set(parsed.value, expected, { by, comment }));
    } catch (error) {
      if (!(error instanceof ConfigConflictError)) throw error;
      throw new ApiError(ifMatch === undefined ? 409 : 412, 'config-conflict', error.message);
    }
    return this.get();
  }

  async history(limit: number): Promise<ConfigHistoryResponse> {
    // One more, to tell what the oldest of them changed.
    const entries = await reachNodeState(() => this.store.config.history(limit + 1));
    const changes = entries.slice(0, limit).map((entry, i) => {
      const before = entries[i + 1];
      const changed = before ? describeChange(documentOf(before), documentOf(entry)) : [];
      return { ...entry, changed };
    });
    return { changes };
  }
}

function responseOf(found: ConfigDocument | null): ConfigResponse {
  if (!found) return { ...NOTHING, document: {}, error: '' };
  const { document, ...rest } = found;
  const parsed = parseFleetConfig(document);
  // What is not valid is shown as it is, so that it can be put right.
  return parsed.ok
    ? { ...rest, document: parsed.value, error: '' }
    : { ...rest, document: document as FleetConfig, error: parsed.errors.join('; ') };
}

function documentOf({ document }: ConfigDocument): FleetConfig {
  const parsed = parseFleetConfig(document);
  return parsed.ok ? parsed.value : {};
}

/** @returns undefined = overwrite */
function expectedVersion(ifMatch: string | undefined, version: number | undefined): number | undefined {
  if (ifMatch === undefined) {
    if (version !== undefined) return version;
    const fix = 'send the version that the change is based on as "version" or If-Match, or If-Match: * to replace any';
    throw new ApiError(428, 'version-required', fix);
  }
  if (ifMatch.trim() === '*') return undefined;
  const match = /^(?:W\/)?"?(\d{1,15})"?$/.exec(ifMatch.trim());
  if (!match) throw badRequest('If-Match must be a version, e.g. "3", or *');
  return Number(match[1]);
}
