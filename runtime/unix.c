/*
 * unix.c: Unix sockets, by the name of a file or, on Linux, of none. libuv's
 * own functions take no such names; a connect is over at once, as the kernel
 * has it. On Windows these are named pipes, and libuv's.
 */
#include <errno.h>
#include <string.h>

#include "socket.h"

int tideR__unix_new(tideR_runtime *rt, tideR_wire **out) {
  tideR_wire *wire = *out = tideR__wire_new(rt);
  if (wire == NULL)
    return UV_ENOMEM;
  uv_pipe_init(rt->uv, &wire->uv.pipe, 0); /* cannot fail */
  tideR__wire_begin(wire);
  return 0;
}

int tideR_unix_adopt(tideR_runtime *rt, uv_os_sock_t fd, tideR_wire **out) {
  int err = tideR__unix_new(rt, out);
  if (err < 0) {
    tideR__socket_close(fd);
    return err;
  }
  err = uv_pipe_open(&(*out)->uv.pipe, (uv_file)fd);
  if (err < 0) {
    tideR__socket_close(fd);
    tideR_handle_release(&(*out)->stream.handle);
    *out = NULL;
  }
  return err;
}

#ifdef _WIN32

int tideR_unix_connect(tideR_runtime *rt, const char *name, size_t length,
                       tideR_wire **out) {
  uv_connect_cb done;
  uv_connect_t *request;
  int err = tideR__permit(rt, "connect");
  *out = NULL;
  if (length == 0 || strlen(name) != length)
    return UV_EINVAL;
  if (err == 0)
    err = tideR__unix_new(rt, out);
  if (err < 0)
    return err;
  request = tideR__wire_connecting(*out, &done);
  uv_pipe_connect(request, &(*out)->uv.pipe, name, done);
  return 0;
}

#else

int tideR_unix_connect(tideR_runtime *rt, const char *name, size_t length,
                       tideR_wire **out) {
  struct sockaddr_un address;
  socklen_t size;
  int fd, err = tideR__permit(rt, "connect");
  *out = NULL;
  if (err == 0)
    err = tideR__unix_address(name, length, &address, &size);
  if (err < 0)
    return err;
  fd = tideR__socket_new(AF_UNIX, SOCK_STREAM);
  if (fd < 0)
    return fd;
  do
    err = connect(fd, (struct sockaddr *)&address, size);
  while (err < 0 && errno == EINTR);
  if (err < 0) {
    err = tideR__errno();
    tideR__socket_close(fd);
    return err;
  }
  return tideR_unix_adopt(rt, fd, out);
}

#endif
