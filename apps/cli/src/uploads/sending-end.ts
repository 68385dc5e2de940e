import { readFileSync } from 'node:fs';
import { UploadClient } from '@perfleet/collector';
import type { Settings } from '../settings.ts';
import { missing, readSetting } from './setting-files.ts';

const MIB = 2 ** 20;

/** What sends the binaries of this node; undefined without an address and a token. */
export function sendingEnd(settings: Settings) {
  const { uploadUrl: url, uploadTokenFile: tokenFile, uploadCaFile } = settings;
  if (!url && !tokenFile) return undefined;
  if (!url) throw missing('uploadUrl', 'where the token of PERFLEET_UPLOAD_TOKEN_FILE is for');
  if (!tokenFile) throw missing('uploadTokenFile', 'make one with `perfleet token create --node NODE`');
  const token = () => readFileSync(tokenFile, 'utf8').trim();
  readSetting('uploadTokenFile', tokenFile);
  const ca = uploadCaFile ? readSetting('uploadCaFile', uploadCaFile) : undefined;
  return {
    client: new UploadClient({ url, token, ca }),
    bytesPerSecond: settings.uploadKbPerSecond * 1000,
    queueBytes: settings.uploadQueueMb * MIB,
  };
}
