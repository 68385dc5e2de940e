import { Code, ConnectError, createContextKey, type Interceptor } from '@connectrpc/connect';
import { formatLabels, isLimited, type LabelLimits } from '@perfleet/tokens';
import type { Caller } from './caller.ts';
import { limitSelector } from './label-limits.ts';

export const callerKey = createContextKey<Caller>({ name: '', labels: {} }, { description: 'caller' });

interface Selecting {
  labelSelector: string;
}

/** The selectors of a method's request. A method that is not here is refused to tokens with labels. */
const LIMITS: Readonly<Record<string, (message: never, labels: LabelLimits) => void>> = {
  LabelNames: limitMatchers,
  LabelValues: limitMatchers,
  Series: limitMatchers,
  SelectMergeStacktraces: limitOne,
  SelectMergeProfile: limitOne,
  SelectSeries: limitOne,
  Diff({ left, right }: { left?: Selecting; right?: Selecting }, labels) {
    if (left) limitOne(left, labels);
    if (right) limitOne(right, labels);
  },
  // Names of types, and since when there are samples: nothing of anybody.
  ProfileTypes: () => undefined,
  GetProfileStats: () => undefined,
};

/** Keeps tokens with labels within them, before a method sees its request. */
export const limitMessages: Interceptor = (next) => async (request) => {
  const { labels } = request.contextValues.get(callerKey);
  if (isLimited(labels)) {
    const limit = Object.hasOwn(LIMITS, request.method.name) ? LIMITS[request.method.name] : undefined;
    if (request.stream || limit === undefined)
      throw new ConnectError(`this token sees ${formatLabels(labels)} only`, Code.PermissionDenied);
    limit(request.message as never, labels);
  }
  return next(request);
};

/** One of the matchers must hold: each is narrowed, and none is one that selects everything. */
function limitMatchers(message: { matchers: string[] }, labels: LabelLimits): void {
  const matchers = message.matchers.length === 0 ? ['{}'] : message.matchers;
  message.matchers = matchers.map((matcher) => limitSelector(matcher, labels));
}

function limitOne(message: Selecting, labels: LabelLimits): void {
  message.labelSelector = limitSelector(message.labelSelector, labels);
}
