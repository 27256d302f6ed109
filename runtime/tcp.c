/* tcp.c: connecting over TCP. */
#include "socket.h"

int tideR__tcp_new(tideR_runtime *rt, tideR_wire **out) {
  tideR_wire *wire = *out = tideR__wire_new(rt);
  int err;
  if (wire == NULL)
    return UV_ENOMEM;
  err = uv_tcp_init(rt->uv, &wire->uv.tcp);
  if (err < 0) {
    tideR__wire_discard(wire);
    *out = NULL;
    return err;
  }
  tideR__wire_begin(wire);
  return 0;
}

static int drop(tideR_wire **out, int err) {
  if (err < 0) {
    tideR_handle_release(&(*out)->stream.handle);
    *out = NULL;
  }
  return err;
}

int tideR_tcp_connect(tideR_runtime *rt, const struct sockaddr *to,
                      const struct sockaddr *local, tideR_wire **out) {
  uv_connect_cb done;
  uv_connect_t *request;
  int err = tideR__permit(rt, "connect");
  *out = NULL;
  if (err == 0)
    err = tideR__tcp_new(rt, out);
  if (err < 0)
    return err;
  if (local != NULL)
    err = uv_tcp_bind(&(*out)->uv.tcp, local, 0);
  if (err == 0) {
    request = tideR__wire_connecting(*out, &done);
    err = uv_tcp_connect(request, &(*out)->uv.tcp, to, done);
  }
  return drop(out, err);
}

int tideR_tcp_adopt(tideR_runtime *rt, uv_os_sock_t fd, tideR_wire **out) {
  int err = tideR__tcp_new(rt, out);
  if (err < 0) {
    tideR__socket_close(fd);
    return err;
  }
  err = uv_tcp_open(&(*out)->uv.tcp, fd);
  if (err < 0)
    tideR__socket_close(fd);
  return drop(out, err);
}
