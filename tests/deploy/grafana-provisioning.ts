import { z } from 'zod';

/*
 * Files that Grafana reads at its start. Grafana publishes no schema of them and ignores a field that it does not know,
 * so that a misspelt one shows as a data source that does not work. Fields: its documentation, "Provision Grafana",
 * version 12, example data source and dashboard provider configuration files.
 */

const version = z.literal(1);

const dataSource = z.strictObject({
  name: z.string(),
  type: z.enum(['prometheus', 'grafana-pyroscope-datasource']),
  access: z.enum(['proxy', 'direct']),
  orgId: z.int().optional(),
  uid: z.string().max(40),
  url: z.url({ protocol: /^https?$/ }),
  user: z.string().optional(),
  database: z.string().optional(),
  basicAuth: z.boolean().optional(),
  basicAuthUser: z.string().optional(),
  withCredentials: z.boolean().optional(),
  isDefault: z.boolean().optional(),
  jsonData: z.record(z.string(), z.unknown()).optional(),
  secureJsonData: z.record(z.string(), z.unknown()).optional(),
  version: z.int().optional(),
  editable: z.boolean().optional(),
});

export const dataSources = z.strictObject({
  apiVersion: version,
  prune: z.boolean().optional(),
  deleteDatasources: z.array(z.strictObject({ name: z.string(), orgId: z.int() })).optional(),
  datasources: z.array(dataSource).min(1),
});

const provider = z.strictObject({
  name: z.string(),
  orgId: z.int().optional(),
  folder: z.string().optional(),
  folderUid: z.string().optional(),
  type: z.literal('file'),
  disableDeletion: z.boolean().optional(),
  updateIntervalSeconds: z.int().min(1).optional(),
  allowUiUpdates: z.boolean().optional(),
  options: z.strictObject({ path: z.string().startsWith('/'), foldersFromFilesStructure: z.boolean().optional() }),
});

export const dashboardProviders = z.strictObject({ apiVersion: version, providers: z.array(provider).min(1) });
