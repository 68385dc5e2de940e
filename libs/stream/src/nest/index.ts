export { StreamHandler, STREAM_TRANSPORT, type StreamHandlerOptions } from './stream-handler.ts';
export { StreamServer, type StreamServerOptions } from './stream-server.ts';
