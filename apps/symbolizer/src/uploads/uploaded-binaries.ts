import type { BinaryStore } from '@perfleet/binary-store';
import {
  identify,
  NO_FILE,
  UPLOAD_REFUSED,
  type BinaryLocation,
  type BinaryQuery,
  type LocalBinaries,
  type SymbolSource,
} from '@perfleet/symbols';
import type { UploadLeaseStore } from '@perfleet/uploads';

export interface UploadedBinariesOptions {
  readonly leases: Pick<UploadLeaseStore, 'contents' | 'refusal'>;
  readonly binaries: Pick<BinaryStore, 'file'>;
  readonly local: LocalBinaries;
  /** The operator's own directory of binaries, which comes before what anybody uploads; "" = none. */
  readonly binariesDir: string;
}

type Found = BinaryLocation | { readonly reason: string };

/**
 * Binaries that nodes uploaded, then files of this machine. Of several contents under one build id the one that came first is used,
 * for ever and by every symbolizer, and the others are told of: whoever carries a build id that is known cannot rename it.
 */
export class UploadedBinaries implements SymbolSource {
  constructor(private readonly options: UploadedBinariesOptions) {}

  async locate(query: BinaryQuery): Promise<Found> {
    const { local, binariesDir } = this.options;
    const [uploaded, here] = await Promise.all([this.uploaded(query.binaryId), local.locate(query)]);
    if (!('reason' in here) && binariesDir !== '' && here.path.startsWith(`${binariesDir}/`)) return here;
    if ('reason' in uploaded) return 'reason' in here && here.reason === NO_FILE ? uploaded : here;
    const others = await otherContents(uploaded, here);
    return { ...uploaded, conflicts: [...new Set([...uploaded.conflicts, ...others])] };
  }

  private async uploaded(binaryId: string): Promise<Found> {
    if (!binaryId.startsWith('gnu:')) return { reason: NO_FILE };
    const { leases, binaries, local } = this.options;
    const gnu = binaryId.slice(4);
    try {
      const [content, ...conflicts] = await leases.contents(gnu);
      const path = content === undefined ? null : await binaries.file(gnu, content);
      if (path === null || content === undefined) {
        const refusal = await leases.refusal(gnu);
        return { reason: refusal === null ? NO_FILE : `${UPLOAD_REFUSED}: ${refusal}` };
      }
      const { gnuBuildId, htlHash } = await identify(path);
      return { path, identity: { gnuBuildId, htlHash }, debugPaths: local.debugPathsOf(gnu, path), conflicts, content };
    } catch (error) {
      return { reason: (error as Error).message };
    }
  }
}

/** Code of this machine's file that is not what was uploaded under the same build id. */
async function otherContents(uploaded: BinaryLocation, here: Found): Promise<string[]> {
  if ('reason' in here) return [];
  const content = await identify(here.path, true).then(
    (identity) => identity.content,
    () => '',
  );
  const all = content === '' ? here.conflicts : [content, ...here.conflicts];
  return all.filter((other) => other !== uploaded.content);
}
