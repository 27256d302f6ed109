/* socket.c: sockets as the system has them, where libuv's functions do not do.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif
#include <stddef.h>
#include <string.h>
#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#endif

#include "socket.h"

#ifdef _WIN32

void tideR__socket_close(uv_os_sock_t fd) {
  closesocket(fd);
}

int tideR__socket_name(const uv_handle_t *handle, bool of_peer,
                       struct sockaddr_storage *name, int *size) {
  (void)handle, (void)of_peer, (void)name, (void)size;
  return UV_ENOTSUP;
}

int tideR__socket_end(const uv_handle_t *handle) {
  (void)handle;
  return UV_EOF;
}

ssize_t tideR__socket_read(const uv_handle_t *handle, char *room, size_t size) {
  (void)handle, (void)room, (void)size;
  return UV_ENOTSUP;
}

#else

void tideR__socket_close(uv_os_sock_t fd) {
  close(fd);
}

int tideR__errno(void) {
  return uv_translate_sys_error(errno);
}

#if !defined(SOCK_NONBLOCK) || !defined(SOCK_CLOEXEC)
static int prepare(int fd) {
  if (fd >= 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  return fd;
}
#endif

int tideR__socket_new(int domain, int type) {
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
  int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  int fd = prepare(socket(domain, type, 0));
#endif
  return fd >= 0 ? fd : tideR__errno();
}

/* One that its peer has given up is passed over. */
int tideR__socket_accept(int fd) {
  int accepted;
  do {
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
    accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    accepted = prepare(accept(fd, NULL, NULL));
#endif
  } while (accepted < 0 &&
           (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
  return accepted >= 0 ? accepted : tideR__errno();
}

int tideR__socket_name(const uv_handle_t *handle, bool of_peer,
                       struct sockaddr_storage *name, int *size) {
  socklen_t length = (socklen_t)*size;
  struct sockaddr *at = (struct sockaddr *)name;
  uv_os_fd_t fd;
  int err = uv_fileno(handle, &fd);
  if (err == 0 && (of_peer ? getpeername(fd, at, &length)
                           : getsockname(fd, at, &length)) < 0)
    err = tideR__errno();
  *size = (int)length;
  return err;
}

/* Before 1.52 libuv takes a hangup after a short read for the end and does not
 * read on: what a reset has cut short would look complete. */
int tideR__socket_end(const uv_handle_t *handle) {
  uv_os_fd_t fd;
  char byte;
  if (uv_fileno(handle, &fd) == 0 && recv(fd, &byte, 1, MSG_PEEK) < 0 &&
      errno == ECONNRESET)
    return UV_ECONNRESET;
  return UV_EOF;
}

ssize_t tideR__socket_read(const uv_handle_t *handle, char *room, size_t size) {
  uv_os_fd_t fd;
  ssize_t n;
  int err = uv_fileno(handle, &fd);
  if (err < 0)
    return err;
  do
    n = handle->type == UV_TCP ? recv(fd, room, size, 0) : read(fd, room, size);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : tideR__errno();
  return n > 0 ? n : UV_EOF;
}

int tideR__socket_set(int fd, int level, int option, bool on) {
  int value = on;
  if (setsockopt(fd, level, option, &value, sizeof value) < 0)
    return tideR__errno();
  return 0;
}

int tideR__unix_address(const char *name, size_t length,
                        struct sockaddr_un *address, socklen_t *size) {
  bool is_abstract = length > 0 && name[0] == '\0';
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (length + !is_abstract > sizeof address->sun_path)
    return UV_ENAMETOOLONG;
  if (length == 0 || (!is_abstract && memchr(name, '\0', length) != NULL))
    return UV_EINVAL;
#ifndef __linux__
  if (is_abstract)
    return UV_ENOTSUP;
#endif
  memcpy(address->sun_path, name, length);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
                      !is_abstract);
  return 0;
}

#endif

/* Elsewhere a send raises SIGPIPE, or has errors that libuv tries again. */
#if defined(MSG_NOSIGNAL) && !defined(__APPLE__)

/* A uv_buf_t is an iovec there. */
static ssize_t send_many(int fd, const uv_buf_t *bufs, unsigned n) {
  struct msghdr message = {.msg_iov = (struct iovec *)bufs, .msg_iovlen = n};
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

ssize_t tideR__socket_write(uv_stream_t *stream, const uv_buf_t *bufs,
                            unsigned n) {
  uv_os_fd_t fd;
  ssize_t sent;
  int err = uv_fileno((const uv_handle_t *)stream, &fd);
  if (err < 0)
    return err;
  do
    sent = n == 1 ? send(fd, bufs->base, bufs->len, MSG_NOSIGNAL)
                  : send_many(fd, bufs, n);
  while (sent < 0 && errno == EINTR);
  if (sent < 0)
    return errno == ENOBUFS ? UV_EAGAIN : tideR__errno();
  return sent;
}

#else

ssize_t tideR__socket_write(uv_stream_t *stream, const uv_buf_t *bufs,
                            unsigned n) {
  return uv_try_write(stream, bufs, n);
}

#endif
