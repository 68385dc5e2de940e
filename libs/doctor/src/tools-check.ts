import * as zlib from 'node:zlib';
import type { Finding } from './model.ts';

/** Node brings what the services need: SQLite for the embedded log, zstd for the stream. */
export async function checkNode(): Promise<Finding> {
  const missing: string[] = [];
  if (!('zstdCompress' in zlib)) missing.push('zstd in node:zlib');
  if (
    !(await import('node:sqlite').then(
      () => true,
      () => false,
    ))
  )
    missing.push('node:sqlite');
  const detail = `Node.js ${process.versions.node}`;
  if (missing.length === 0) return { status: 'pass', detail };
  return {
    status: 'fail',
    detail: `${detail} has no ${missing.join(' and no ')}`,
    fix: 'run it with Node.js 24 or later',
  };
}
