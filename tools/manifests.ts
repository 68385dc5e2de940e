// Makes the plain manifests of deploy/kubernetes from the chart of deploy/helm, with its default values. Each file names the chart and
// the text that it was made of, so that a test without Helm sees when one of them was changed alone.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const HELM = 'helm.sh/helm/v3/cmd/helm@v3.19.0';

export const chart = join(root, 'deploy/helm/perfleet');
export const plain = join(root, 'deploy/kubernetes');
/** What the plain manifests are a release of. */
const RELEASE = ['perfleet', '--namespace', 'perfleet', '--set', 'namespace.create=true'];

/** Helm of this machine, or null. */
export function findHelm(): string | null {
  const built = join(root, '.cache/go/helm');
  if (existsSync(built)) return built;
  try {
    return execFileSync('sh', ['-c', 'command -v helm'], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

/** @returns text of the chart's templates, or of one of them */
export function render(helm: string, args: readonly string[], template: string | null = null): string {
  const only = template === null ? [] : ['--show-only', `templates/${template}`];
  return execFileSync(helm, ['template', ...args, chart, '--kube-version', '1.30.0', ...only], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Name and text of each plain manifest. */
export function renderPlain(helm: string): Array<readonly [name: string, text: string]> {
  return templates().map((name) => [name, stamped(render(helm, RELEASE, name))] as const);
}

export const templates = (): string[] => readdirSync(join(chart, 'templates')).filter((name) => name.endsWith('.yaml'));

/** The first line of a manifest that this made of that text. */
export function stampOf(text: string): string {
  return `# Made from deploy/helm/perfleet by \`npm run manifests\`: change it there. Chart ${hashOfChart()}, text ${hash(text)}.`;
}

function stamped(rendered: string): string {
  const text = rendered.replace(/^---\n/, '').replace(/^# Source: .*\n/gm, '');
  return `${stampOf(text)}\n${text}`;
}

function hashOfChart(): string {
  const names = [
    'Chart.yaml',
    'values.yaml',
    ...readdirSync(join(chart, 'templates')).map((name) => `templates/${name}`),
  ];
  return hash(names.map((name) => `${name}\n${readFileSync(join(chart, name), 'utf8')}`).join('\n'));
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (findHelm() === null) {
    process.stderr.write(`manifests: there is no helm: building ${HELM} …\n`);
    execFileSync('env', [`GOBIN=${join(root, '.cache/go')}`, 'go', 'install', HELM], { stdio: 'inherit' });
  }
  for (const [name, text] of renderPlain(findHelm()!)) {
    writeFileSync(join(plain, name), text);
    process.stdout.write(`manifests: deploy/kubernetes/${name}\n`);
  }
}
