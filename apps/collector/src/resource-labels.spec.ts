import { describe, expect, it } from 'vitest';
import { isAttributed, resourceLabels } from './resource-labels.ts';

const nowhere = { podUid: null, containerId: null };

describe('isAttributed', () => {
  it('is true for a pod, a container and a host process', () => {
    expect(isAttributed({ podUid: 'u', containerId: null }, '', true)).toBe(true);
    expect(isAttributed({ podUid: null, containerId: 'c' }, '', true)).toBe(true);
    expect(isAttributed(nowhere, '0::/system.slice/sshd.service', false)).toBe(true);
  });

  it('is false where it may be any pod’s: a node in fallback, or a process that was gone', () => {
    expect(isAttributed(nowhere, '0::/system.slice/sshd.service', true)).toBe(false);
    expect(isAttributed(nowhere, '', false)).toBe(false);
  });

  it('is said on the wire only when it is false', () => {
    const labels = (attributed: boolean) =>
      new Map(
        resourceLabels({ node: 'n', cluster: '' }, { comm: 'a', executable: '' }, nowhere, undefined, attributed),
      );
    expect(labels(false).get('perfleet.attribution')).toBe('none');
    expect(labels(true).has('perfleet.attribution')).toBe(false);
  });
});
