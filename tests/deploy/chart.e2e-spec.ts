import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fields, variableName } from '@perfleet/config';
import { tempDir } from '@perfleet/testing';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { chart, findHelm, plain, render, renderPlain, stampOf, templates } from '../../tools/manifests.ts';
import { repository } from '../support/workloads.ts';

const values = () => parse(readFileSync(join(chart, 'values.yaml'), 'utf8')) as Record<string, object>;
const helm = findHelm();
const noHelm = helm === null ? ' (skipped: there is no helm; `npm run manifests` builds it with Go)' : '';

/** Everything that is off or empty by default. */
const EVERYTHING = {
  image: { registry: 'registry.example.com/', tag: '9', pullSecrets: ['pull'] },
  clickhouse: { existingSecret: 'clickhouse', cluster: 'profiles', shards: '1=http://a:8123 2=http://b:8123' },
  symbolizer: { existingSecret: 's3', tolerations: [{ key: 'a', operator: 'Exists' }] },
  env: { PERFLEET_KAFKA_TLS: true },
  collector: { env: { PERFLEET_RATE_HZ: 49 }, nodeSelector: { 'kubernetes.io/os': 'linux' } },
  api: {
    tlsSecret: 'perfleet-tls',
    env: { PERFLEET_ALLOWED_HOSTS: 'profiles.example' },
    ingress: { enabled: true, host: 'profiles.example', tlsSecret: 'tls' },
  },
};

describe('the chart', () => {
  it('makes the plain manifests, of which none was changed alone', () => {
    for (const name of templates()) {
      const [first, ...rest] = readFileSync(join(plain, name), 'utf8').split('\n');
      expect(first, `${name}: run npm run manifests`).toBe(stampOf(rest.join('\n')));
    }
  });

  it('has values that its schema allows, which knows a mistyped name', () => {
    const validate = new Ajv({ allowUnionTypes: true }).compile(
      JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8')) as object,
    );
    expect(validate(values()), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...values(), kafka: { broker: 'kafka:9092' } })).toBe(false);
    expect(validate({ ...values(), kafka: { brokers: 'kafka' } })).toBe(false);
  });

  it.skipIf(helm === null)(`is what the plain manifests were made of${noHelm}`, () => {
    for (const [name, text] of renderPlain(helm!)) expect(readFileSync(join(plain, name), 'utf8')).toBe(text);
  });

  const validator = join(repository, '.cache/go/kubectl-validate');
  const noValidator = existsSync(validator) ? '' : ' (skipped: kubectl-validate is not built)';
  it.skipIf(noHelm !== '' || noValidator !== '')(
    `is valid by the Kubernetes API schemas with everything on${noHelm || noValidator}`,
    () => {
      const dir = tempDir();
      const file = join(dir.path, 'values.json');
      writeFileSync(file, JSON.stringify(EVERYTHING));
      const text = render(helm!, ['other', '--namespace', 'profiling', '--values', file]);
      const made = join(dir.path, 'made.yaml');
      writeFileSync(made, text);
      execFileSync(validator, [made, '--version', '1.30'], { stdio: 'pipe' });

      const documents = parseAllDocuments(text).map((document) => document.toJS() as Record<string, never>);
      expect(documents.map(({ kind }) => kind)).toContain('Ingress');
      expect(
        documents.map(({ kind }) => kind),
        'both are somebody’s own',
      ).not.toContain('Secret');
      const variables = [...text.matchAll(/\bPERFLEET_[A-Z0-9_]+/g)].map(([name]) => name);
      expect(variables).toEqual(
        expect.arrayContaining(['PERFLEET_RATE_HZ', 'PERFLEET_KAFKA_TLS', 'PERFLEET_CLICKHOUSE_SHARDS']),
      );
      const known = Object.keys(fields).map(variableName);
      for (const line of text.split('\n').filter((each) => !each.trim().startsWith('#')))
        for (const [name] of line.matchAll(/\bPERFLEET_[A-Z0-9_]+/g)) expect(known).toContain(name);
      const bare = { ...EVERYTHING, api: { ingress: { enabled: true } } };
      writeFileSync(file, JSON.stringify(bare));
      expect(() => render(helm!, ['other', '--values', file])).toThrow('api.ingress.host: the name by which browsers');
    },
  );
});
