/*
 * sharing.c: a descriptor that others have, too, read and written without a
 * wait.
 *
 * O_NONBLOCK is of what a descriptor leads to, which a shell and other
 * processes have as well and do not expect to be changed. So a terminal or pipe
 * is opened anew, where the system lets us: that is ours alone. A socket is
 * told with each call. Where neither goes, it is asked before each call, and
 * gets no more than it then surely takes. A file never waits for long.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "socket.h"
#include "standard.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

#define TERMINAL_MOST 256 /* a terminal with room for less is not writable */

/* ---- opening ---- */

/* Opening the master of a pseudo-terminal would make another one. */
static bool is_master(int fd) {
#ifdef TIOCGPTN
  unsigned number;
  return ioctl(fd, TIOCGPTN, &number) == 0;
#else
  (void)fd;
  return false;
#endif
}

static int reopen(int fd, bool is_tty) {
  int flags = fcntl(fd, F_GETFL);
  char name[64];
  if (flags < 0 || (is_tty && is_master(fd)))
    return -1;
#ifdef __linux__
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
#else
  if (!is_tty || ttyname_r(fd, name, sizeof name) != 0)
    return -1;
#endif
  flags = (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  return open(name, flags);
}

static int duplicate(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? tideR__errno() : copy;
}

int tideR__shared_open(int fd, tideR_shared *shared) {
  struct stat found;
  bool is_tty = isatty(fd);
  shared->fd = -1;
  shared->most = is_tty ? TERMINAL_MOST : _POSIX_PIPE_BUF;
  shared->kind = SHARED_BLOCKING;
  if (fstat(fd, &found) < 0)
    return tideR__errno();
  if (S_ISSOCK(found.st_mode))
    shared->kind = SHARED_SOCKET;
  else if (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode) ||
           S_ISBLK(found.st_mode))
    shared->kind = SHARED_FILE;
  else if (is_tty || S_ISFIFO(found.st_mode))
    shared->fd = reopen(fd, is_tty);
  if (shared->fd >= 0) {
    shared->kind = SHARED_OWN;
    return 0;
  }
  shared->fd = duplicate(fd);
  return shared->fd < 0 ? shared->fd : 0;
}

/* ---- reading and writing ---- */

static bool is_ready(int fd, short events, int ms) {
  struct pollfd it = {.fd = fd, .events = events};
  int n;
  do
    n = poll(&it, 1, ms);
  while (n < 0 && errno == EINTR);
  return n != 0; /* what is wrong with it, its use tells */
}

bool tideR__shared_writable(const tideR_shared *shared, int ms) {
  return shared->kind == SHARED_FILE || is_ready(shared->fd, POLLOUT, ms);
}

static ssize_t outcome(ssize_t n) {
  if (n >= 0)
    return n;
  return errno == EWOULDBLOCK ? UV_EAGAIN : tideR__errno();
}

ssize_t tideR__shared_read(const tideR_shared *shared, char *room,
                           size_t size) {
  ssize_t n;
  if (shared->kind == SHARED_BLOCKING && !is_ready(shared->fd, POLLIN, 0))
    return UV_EAGAIN;
  do
    n = shared->kind == SHARED_SOCKET
            ? recv(shared->fd, room, size, MSG_DONTWAIT)
            : read(shared->fd, room, size);
  while (n < 0 && errno == EINTR);
  return n == 0 ? UV_EOF : outcome(n);
}

/* So many of them that it does not wait. */
static ssize_t write_some(const tideR_shared *shared, struct iovec *pieces,
                          int count) {
  struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
  ssize_t n;
  if (shared->kind == SHARED_BLOCKING) {
    count = 1;
    if (pieces->iov_len > shared->most)
      pieces->iov_len = shared->most;
    if (!is_ready(shared->fd, POLLOUT, 0))
      return UV_EAGAIN;
  }
  do
    n = shared->kind == SHARED_SOCKET
            ? sendmsg(shared->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
            : writev(shared->fd, pieces, count);
  while (n < 0 && errno == EINTR);
  return outcome(n);
}

enum { PIECES = 64 }; /* in one call */

/* All but the first `skip` bytes; as many as there is place for. */
static int list_pieces(const uv_buf_t *bufs, unsigned n, size_t skip,
                       struct iovec *pieces) {
  int count = 0;
  for (unsigned i = 0; i < n && count < PIECES; i++) {
    size_t length = bufs[i].len;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    pieces[count++] = (struct iovec){bufs[i].base + skip, length - skip};
    skip = 0;
  }
  return count;
}

ssize_t tideR__shared_write(const tideR_shared *shared, const uv_buf_t *bufs,
                            unsigned n) {
  struct iovec pieces[PIECES];
  size_t written = 0;
  int count;
  while ((count = list_pieces(bufs, n, written, pieces)) > 0) {
    ssize_t some = write_some(shared, pieces, count);
    if (some < 0 && written == 0)
      return some;
    if (some <= 0)
      break;
    written += (size_t)some;
  }
  return (ssize_t)written;
}

#endif
