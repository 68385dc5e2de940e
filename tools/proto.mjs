/**
 * Generates the TypeScript of the .proto files. What it writes is committed, so that only who changes a .proto file needs
 * protoc (Debian: protobuf-compiler); the plugin comes from npm at the version of the runtime, and is no dependency.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const FILES = {
  'libs/pyroscope': [
    'types/v1/types.proto',
    'google/v1/profile.proto',
    'querier/v1/querier.proto',
    'push/v1/push.proto',
  ],
  'libs/otlp': ['profiles.proto', 'service.proto'],
};

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const plugin = `@bufbuild/protoc-gen-es@${dependencies['@bufbuild/protobuf']}`;
for (const [lib, files] of Object.entries(FILES)) {
  const out = join(root, lib, 'src', 'gen');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const protoc = `protoc -I ${join(root, lib, 'proto')} --es_out=${out} --es_opt=target=ts,import_extension=ts ${files.join(' ')}`;
  const { status } = spawnSync('npx', ['--yes', '--package', plugin, '--call', protoc], {
    stdio: 'inherit',
    cwd: root,
  });
  if (status !== 0) throw new Error(`protoc failed for ${lib}: is it there? sudo apt-get install protobuf-compiler`);
}
