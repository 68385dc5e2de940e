import {
  formatLabels,
  issueToken,
  parseLabels,
  parseScopes,
  revokeToken,
  rotateToken,
  SCOPE_MEANINGS,
  SCOPES,
  tokenId,
  tokenStatus,
  type IssuedToken,
  type TokenRecord,
  type TokenStore,
} from '@perfleet/tokens';
import type { Command } from 'commander';
import { openReachableNodeState } from '../adapters.ts';
import { loadSettings } from '../settings.ts';
import { formatTable } from '../table.ts';
import { parsePeriod } from './arguments.ts';
import { asSettings, withOptions } from './options.ts';

const HELP = `
Scopes:
${SCOPES.map((scope) => `  ${scope.padEnd(7)} ${SCOPE_MEANINGS[scope]}`).join('\n')}

A token is shown once; only its SHA-256 is kept, in the node state store (--redis-url, or the file in --data).
Services take a revocation within five seconds.

Examples:
  perfleet token create --name grafana --scope read,sql --expires 365d
  perfleet token create --name team-shop --scope read --label namespace=shop
  perfleet token create --node worker-7 --expires 90d > /etc/perfleet/token
  perfleet token rotate 3fa94c01 --grace 24h
  perfleet token revoke 3fa94c01`;

/** Who may use this fleet. */
export function registerToken(program: Command): void {
  const token = program
    .command('token')
    .description('bearer tokens: create, list, rotate, revoke')
    .addHelpText('after', HELP);
  const command = (name: string, description: string) =>
    withOptions(token.command(name).description(description).exitOverride(), ['redis', 'data']).option(
      '--json',
      'as JSON',
    );

  command('create', 'make a token and show it, once')
    .option('--name <name>', 'who or what holds it (the node)')
    .option('--scope <list>', `${SCOPES.join(', ')}, several with commas between (node, with --node)`)
    .option('--node <node>', 'the only node it speaks for, as `perfleet nodes` has it')
    .option('--label <label=value>', 'what it may read, e.g. namespace=shop; may come several times', collect, [])
    .option('--expires <time>', 'how long it is valid, such as 90d, 12h or 30m (until it is revoked)')
    .action((flags: CreateFlags) =>
      withTokens(flags, async (store) => {
        const { node, expires } = flags;
        const scopes = parseScopes(flags.scope ?? (node ? 'node' : ''));
        const name = flags.name ?? node ?? '';
        if (name === '') throw new Error('--name is missing: say who or what holds the token');
        const validMs = expires === undefined ? undefined : parsePeriod('--expires', expires);
        show(await issueToken(store, { name, scopes, node, labels: parseLabels(flags.label), validMs }), flags);
      }),
    );

  command('list', 'the tokens there are: who holds them, what they open, until when').action((flags: Flags) =>
    withTokens(flags, async (store) => {
      const rows = (await store.list()).map((record) => row(record, Date.now()));
      if (flags.json) return print(JSON.stringify(rows, null, 2));
      const header = ['id', 'name', 'scopes', 'node', 'labels', 'created (UTC)', 'expires (UTC)', 'status'];
      print(rows.length === 0 ? 'no token' : formatTable(header, rows.map(Object.values)).trimEnd());
    }),
  );

  command('rotate', 'make a new token in place of another, which stays valid for the grace period')
    .argument('<id>', 'id, or the begin of one')
    .option('--grace <time>', 'how long the old one stays valid', '24h')
    .action((id: string, flags: Flags & { grace: string }) =>
      withTokens(flags, async (store) => {
        const rotated = await rotateToken(store, id, parsePeriod('--grace', flags.grace));
        show(rotated, flags);
        process.stderr.write(`${tokenId(rotated.old)} is valid until ${time(rotated.old.expiresAt)} UTC\n`);
      }),
    );

  command('revoke', 'end a token now')
    .argument('<id>', 'id, or the begin of one')
    .action((id: string, flags: Flags) =>
      withTokens(flags, async (store) => {
        const record = await revokeToken(store, id);
        if (flags.json) return print(JSON.stringify(row(record, Date.now())));
        print(`${tokenId(record)} (${record.name}) is revoked`);
      }),
    );
}

interface Flags extends Record<string, unknown> {
  json?: boolean;
}

interface CreateFlags extends Flags {
  name?: string;
  scope?: string;
  node?: string;
  label: string[];
  expires?: string;
}

async function withTokens(flags: Flags, work: (store: TokenStore) => Promise<void>): Promise<void> {
  const { redisUrl, data } = flags;
  const nodeState = await openReachableNodeState(loadSettings(asSettings({ redisUrl, data })));
  try {
    await work(nodeState.tokens);
  } finally {
    await nodeState.close();
  }
}

/** The token alone on standard output, so that it can go into a file; what is known of it on standard error. */
function show({ token, record }: IssuedToken, { json }: Flags): void {
  if (json) return print(JSON.stringify({ token, ...row(record, Date.now()) }));
  print(token);
  const until = record.expiresAt === null ? 'it is revoked' : `${time(record.expiresAt)} UTC`;
  process.stderr.write(
    `${tokenId(record)}: ${record.name}, ${record.scopes.join(', ')}, valid until ${until}; it is not shown again\n`,
  );
}

function row(record: TokenRecord, now: number) {
  const { name, scopes, node, labels, createdAt, expiresAt } = record;
  return {
    id: tokenId(record),
    name,
    scopes: scopes.join(','),
    node,
    labels: formatLabels(labels),
    created: time(createdAt),
    expires: time(expiresAt),
    status: tokenStatus(record, now),
  };
}

function time(ms: number | null): string {
  return ms === null ? '' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
