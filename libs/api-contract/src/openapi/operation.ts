import type { Parameter } from './parameters.ts';
import { ref, type Schema } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;
/** Scope of the token that an operation needs; `public` = nobody is asked. */
export type OperationScope = 'read' | 'sql' | 'admin' | 'public';

interface Operation {
  readonly id: string;
  readonly summary: string;
  /** Name of the schema of the answer, or its media types. */
  readonly answer: string | Json;
  readonly parameters?: readonly Parameter[];
  /** Default read. */
  readonly scope?: OperationScope;
  /** Name of the schema of the body. */
  readonly body?: string;
  /** Answers besides those that every operation may give. */
  readonly others?: Json;
  /** Headers of the answer. */
  readonly headers?: Json;
}

export const errorAnswer = (description: string): Json => ({
  description,
  content: { 'application/json': { schema: ref('ErrorResponse') } },
});

/** Answers that many operations may give, by their name. */
export const RESPONSES = {
  Wrong: errorAnswer('The request is wrong; position points into the query'),
  Unauthenticated: errorAnswer('A token is needed, or it is not valid (any more)'),
  Forbidden: errorAnswer(
    'The token has not the scope, its labels cannot be kept here, or this server does not answer to such a Host or Origin',
  ),
  HeadersTooLarge: errorAnswer('Address and headers are larger than 16 KiB'),
  TooLarge: errorAnswer('The body is larger than 1 MiB'),
  NotJson: errorAnswer('The body is not application/json'),
  TooMany: errorAnswer('The caller sends too many requests'),
  Away: errorAnswer('The profile store or the node state store does not answer'),
};

const answerOf = (name: keyof typeof RESPONSES): Json => ({ $ref: `#/components/responses/${name}` });
const GUARDED: Json = { 401: answerOf('Unauthenticated'), 429: answerOf('TooMany'), 503: answerOf('Away') };
const BODY: Json = { 413: answerOf('TooLarge'), 415: answerOf('NotJson') };

export const json = (schema: Schema): Json => ({ 'application/json': { schema } });

export function operation(of: Operation): Json {
  const { id, summary, answer, parameters = [], scope = 'read', body, others = {}, headers } = of;
  return {
    operationId: id,
    summary,
    security: scope === 'public' ? [] : [{ token: [scope] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: true, content: json(ref(body)) } }),
    responses: {
      200: {
        description: summary,
        ...(headers && { headers }),
        content: typeof answer === 'string' ? json(ref(answer)) : answer,
      },
      400: answerOf('Wrong'),
      403: answerOf('Forbidden'),
      431: answerOf('HeadersTooLarge'),
      ...(scope !== 'public' && GUARDED),
      ...(body !== undefined && BODY),
      ...others,
    },
  };
}
