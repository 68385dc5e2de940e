import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/**
 * Dependencies point one way: composer -> app -> feature library -> domain library.
 * Domain libraries are functions over data, so what touches the world is refused there.
 */
const boundaries = [
  {
    sourceTag: 'type:domain',
    onlyDependOnLibsWithTags: ['type:domain'],
    bannedExternalImports: ['@nestjs/*', 'kafkajs', 'ioredis', '@clickhouse/*', 'chdb', 'chdb/*', 'pino'],
  },
  { sourceTag: 'type:feature', onlyDependOnLibsWithTags: ['type:feature', 'type:domain', 'type:native'] },
  { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:feature', 'type:domain'] },
  { sourceTag: 'type:bench', onlyDependOnLibsWithTags: ['type:app', 'type:feature', 'type:domain', 'type:native'] },
  { sourceTag: 'type:composer', onlyDependOnLibsWithTags: ['type:app', 'type:bench', 'type:feature', 'type:domain'] },
  { sourceTag: 'scope:browser', onlyDependOnLibsWithTags: ['type:domain'] },
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/gen/**', '**/target/**', '**/node_modules/**', '.cache/**', '.nx/**'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          allow: [],
          depConstraints: boundaries,
          // A command loads what it runs when it runs; what it runs then is free to import.
          checkDynamicDependenciesExceptions: ['.*'],
        },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      '@typescript-eslint/consistent-type-imports': 'off',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Configuration is parsed once (libs/config) and passed in.' },
      ],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: [
      'libs/{ids,bytes,otlp,pprof,profile,cgroup,selector,messages,api-contract,simulate,pyroscope,http-guard,fleet-config,tokens,uploads}/src/**/*.ts',
    ],
    ignores: ['**/*.spec.ts', '**/*.int-spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['node:fs*', 'node:net', 'node:http*', 'node:child_process', 'fs', 'net', 'http'],
              message: 'Domain libraries are functions over data: pass in what touches the world.',
            },
          ],
        },
      ],
    },
  },
  {
    files: [
      'apps/cli/src/**',
      'libs/config/src/**',
      'libs/testing/src/**',
      'tests/**',
      'bench/**',
      '**/*.spec.ts',
      '**/*.int-spec.ts',
      '*.config.ts',
      'apps/*/vite.config.ts',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: {
      globals: { require: 'readonly', exports: 'writable', module: 'writable', setImmediate: 'readonly' },
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        fetch: 'readonly',
      },
    },
  },
  prettier,
);
