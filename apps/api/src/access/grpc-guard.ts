import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { authorizationOf, decide } from '@perfleet/tokens';
import type { Access } from './access-guard.ts';
import { callerOfToken, setCaller } from './caller.ts';

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const GRPC_STATUS = { 401: 16, 403: 7, 503: 14 } as const;

/** Asks for a token with the scope `ingest` in the metadata `authorization` before a message is read. */
export function guardGrpc({ verifier }: Access, handler: Handler): Handler {
  if (!verifier) return handler;
  return (request, response) => {
    void decide(verifier, authorizationOf(request.headers), 'ingest').then((decision) => {
      if (response.destroyed || response.stream.destroyed) return;
      if (decision.ok) {
        setCaller(request, callerOfToken(decision.token));
        return handler(request, response);
      }
      // A response of trailers only; messages are percent-encoded there.
      response.stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': String(GRPC_STATUS[decision.status]),
          'grpc-message': encodeURIComponent(decision.reason),
        },
        { endStream: true },
      );
    });
  };
}
