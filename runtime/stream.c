/* stream.c: streams: how they begin and end. */
#include "internal.h"

void tideR__stream_init(tideR_runtime *rt, tideR_stream *stream,
                        const tideR_handlekind *kind,
                        const tideR_transport *transport) {
  static const tideR_waitkind writing = {"write", tideR_waitq_abort, NULL};
  static const tideR_waitkind draining = {"drain", tideR_waitq_abort, NULL};
  tideR__handle_init(rt, &stream->handle, kind);
  stream->transport = transport;
  stream->limit = stream->high_water = TIDE_LIMIT;
  tideR__reader_init(stream);
  tideR_waitq_init(&stream->writers, &writing);
  tideR_waitq_init(&stream->drainers, &draining);
}

void tideR__stream_closed(tideR_stream *stream) {
  tideR__reader_closed(stream);
  stream->failure = UV_ECANCELED; /* whatever it was before */
  tideR_waitq_wake_all(stream->handle.rt, &stream->writers);
  tideR_waitq_wake_all(stream->handle.rt, &stream->drainers);
}

void tideR__stream_orphan(tideR_stream *stream) {
  tideR__buffer_clear(stream->handle.rt, &stream->unread);
}

bool tideR_stream_closed(const tideR_stream *stream) {
  return stream->handle.closed;
}
