/* stdio_windows.c: standard input, output and error as libuv has them there:
 * consoles and pipes. */
#ifdef _WIN32
#include "socket.h"
#include "standard.h"

static int open_wire(tideR_wire *wire, int number) {
  tideR_runtime *rt = wire->stream.handle.rt;
  int err;
  if (uv_guess_handle(number) == UV_TTY) {
    err = uv_tty_init(rt->uv, &wire->uv.tty, number, 0);
    if (err < 0)
      return err;
    tideR__wire_begin(wire);
    return 0;
  }
  uv_pipe_init(rt->uv, &wire->uv.pipe, 0);
  tideR__wire_begin(wire);
  return uv_pipe_open(&wire->uv.pipe, number);
}

int tideR_stdio_open(tideR_runtime *rt, int number, tideR_stream **out) {
  tideR_wire *wire;
  int err;
  *out = NULL;
  if (uv_guess_handle(number) == UV_FILE)
    return UV_ENOTSUP;
  wire = tideR__wire_new(rt);
  if (wire == NULL)
    return UV_ENOMEM;
  err = open_wire(wire, number);
  if (err < 0 && wire->stream.handle.owners == 1)
    tideR__wire_discard(wire);
  else if (err < 0)
    tideR_handle_release(&wire->stream.handle);
  else
    *out = &wire->stream;
  return err;
}

/* As any other stream of libuv's. */
bool tideR_stream_is_stdio(const tideR_stream *stream) {
  (void)stream;
  return false;
}

int tideR_stdio_fileno(const tideR_stream *stream) {
  (void)stream;
  return -1;
}

void tideR_stdio_flush(tideR_stream *stream, double seconds) {
  (void)stream, (void)seconds;
}

void tideR_stdio_flush_all(tideR_runtime *rt, double seconds) {
  (void)rt, (void)seconds;
}

void tideR__stdio_end(tideR_runtime *rt) {
  (void)rt;
}

bool tideR_stdio_is_terminal(const tideR_stream *stream) {
  return tideR_stream_is_wire(stream) &&
         tideR_wire_of((tideR_stream *)stream)->uv.handle.type == UV_TTY;
}

int tideR_stdio_raw(tideR_stream *stream, tideR_keys keys) {
  if (!tideR_stdio_is_terminal(stream))
    return UV_ENOTSUP;
  return uv_tty_set_mode(&tideR_wire_of(stream)->uv.tty,
                         keys == TIDE_KEYS_LINES ? UV_TTY_MODE_NORMAL
                                                 : UV_TTY_MODE_RAW);
}

int tideR_stdio_size(const tideR_stream *stream, int *columns, int *rows) {
  if (!tideR_stdio_is_terminal(stream))
    return UV_ENOTSUP;
  return uv_tty_get_winsize(&tideR_wire_of((tideR_stream *)stream)->uv.tty,
                            columns, rows);
}

void tideR__terminals_reset(void) {
  uv_tty_reset_mode();
}

void tideR__stdio_reserve(void) {
}

#endif
