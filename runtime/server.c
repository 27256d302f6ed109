/*
 * server.c: sockets that connections are accepted from.
 *
 * The socket is our own, with a uv_poll_t: libuv's listen closes connections
 * unseen when descriptors run out. While nobody accepts, what comes waits in
 * the kernel. When descriptors have run out, accepting pauses, and what waits
 * in the kernel is not lost.
 */
#ifndef _WIN32
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket.h"

#define PAUSE 100 /* ms */

struct tideR_server {
  tideR_handle handle;
  uv_poll_t poll;
  uv_timer_t pause;
  int fd;
  bool is_unix;
  bool polls;
  bool pauses;
  bool held; /* one is being made a stream of; if it still is, that failed */
  tideR_waitq acceptors;
  int *fds; /* accepted and not taken: first those of tasks that were woken */
  unsigned count, room, granted;
  dev_t device; /* of the file that its name is of */
  ino_t inode;  /* 0: there is none */
  char path[sizeof(struct sockaddr_un)];
};

static tideR_server *server_of(const tideR_handle *handle) {
  return CONTAINER(handle, tideR_server, handle);
}

/* ---- accepting ---- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void watch(tideR_server *server) {
  if (server->polls || server->pauses)
    return;
  if (uv_poll_start(&server->poll, UV_READABLE, on_readable) == 0)
    server->polls = true;
}

static void unwatch(tideR_server *server) {
  if (server->polls)
    uv_poll_stop(&server->poll);
  server->polls = false;
}

static void after_pause(uv_timer_t *timer) {
  tideR_server *server = timer->data;
  server->pauses = false;
  if (server->acceptors.head != NULL)
    watch(server);
}

static void pause_accepting(tideR_server *server, int err) {
  tideR_runtime *rt = server->handle.rt;
  unwatch(server);
  server->pauses = true;
  uv_update_time(rt->uv);
  uv_timer_start(&server->pause, after_pause, PAUSE, 0);
  rt->accept_trouble = err;
  tideR_call_chores(rt);
}

static bool reserve(tideR_server *server) {
  unsigned room = server->room > 0 ? 2 * server->room : 8;
  int *fds;
  if (server->count < server->room)
    return true;
  fds = realloc(server->fds, room * sizeof *fds);
  if (fds == NULL)
    return false;
  server->fds = fds;
  server->room = room;
  return true;
}

/* True: one more is there. */
static bool accept_next(tideR_server *server) {
  int fd = reserve(server) ? tideR__socket_accept(server->fd) : UV_ENOMEM;
  if (fd >= 0)
    server->fds[server->count++] = fd;
  else if (fd != UV_EAGAIN)
    pause_accepting(server, fd);
  return fd >= 0;
}

static void grant_next(tideR_server *server) {
  if (tideR_waitq_wake(server->handle.rt, &server->acceptors) != NULL)
    server->granted++;
}

/* What was held is nobody's again. */
static void let_go(tideR_server *server) {
  if (server->held)
    server->granted--;
  server->held = false;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  tideR_server *server = poll->data;
  (void)status;
  (void)events;
  let_go(server);
  while (server->acceptors.head != NULL && server->count > server->granted)
    grant_next(server);
  while (server->acceptors.head != NULL && accept_next(server))
    grant_next(server);
  if (server->acceptors.head == NULL)
    unwatch(server);
}

/* ---- who accepts ---- */

/* Who was woken will not come: the next one gets it; of a closed one nobody. */
static void forfeit_accepting(tideR_runtime *rt, tideR_task *task) {
  tideR_server *server = CONTAINER(task->wait, tideR_server, acceptors.wait);
  if (server->granted == 0)
    return;
  server->granted--;
  if (server->handle.closed) {
    close(server->fds[--server->count]);
    return;
  }
  if (tideR_waitq_wake(rt, &server->acceptors) != NULL)
    server->granted++;
}

bool tideR_server_ready(tideR_server *server) {
  let_go(server);
  if (server->acceptors.head != NULL)
    return false;
  if (server->count > server->granted)
    return true;
  return !server->pauses && accept_next(server);
}

tideR_wait *tideR_server_promise(tideR_server *server) {
  server->granted++;
  return &server->acceptors.wait;
}

void tideR_server_park(tideR_runtime *rt, tideR_task *task,
                       tideR_server *server) {
  tideR_waitq_park(rt, task, &server->acceptors);
  watch(server);
}

void tideR_server_hold(tideR_server *server) {
  server->held = server->granted > 0;
}

int tideR_server_take(tideR_server *server, tideR_wire **out) {
  tideR_runtime *rt = server->handle.rt;
  int fd;
  *out = NULL;
  server->held = false;
  if (server->count == 0 || server->granted == 0)
    return UV_ECANCELED;
  fd = server->fds[0];
  server->granted--;
  server->count--;
  memmove(server->fds, server->fds + 1, server->count * sizeof fd);
  return server->is_unix ? tideR_unix_adopt(rt, fd, out)
                         : tideR_tcp_adopt(rt, fd, out);
}

int tideR_server_trouble(tideR_runtime *rt) {
  int err = rt->accept_trouble;
  rt->accept_trouble = 0;
  return err;
}

/* ---- life ---- */

static void on_close(uv_handle_t *handle) {
  tideR_server *server = handle->data;
  tideR__handle_done(&server->handle);
}

/* Only if it is ours still: somebody may have put another in its place, and in
 * the child of a fork it is the parent's. */
static void remove_file(const tideR_server *server) {
  struct stat found;
  if (server->inode == 0 || tideR_loop_forked(server->handle.rt))
    return;
  if (lstat(server->path, &found) == 0 && found.st_dev == server->device &&
      found.st_ino == server->inode)
    unlink(server->path);
}

/* Those who were woken still get what is theirs. */
static void close_server(tideR_handle *handle) {
  tideR_server *server = server_of(handle);
  unwatch(server);
  let_go(server);
  uv_close((uv_handle_t *)&server->poll, on_close);
  uv_close((uv_handle_t *)&server->pause, on_close);
  remove_file(server);
  close(server->fd);
  while (server->count > server->granted)
    close(server->fds[--server->count]);
  tideR_waitq_wake_all(handle->rt, &server->acceptors);
}

static bool is_active(const tideR_handle *handle) {
  const tideR_server *server = server_of(handle);
  return server->polls || server->pauses;
}

static void free_server(tideR_handle *handle) {
  tideR_server *server = server_of(handle);
  while (server->count > 0)
    close(server->fds[--server->count]);
  free(server->fds);
  free(server);
}

tideR_handle *tideR_server_handle(tideR_server *server) {
  return &server->handle;
}

bool tideR_server_is_unix(const tideR_server *server) {
  return server->is_unix;
}

int tideR_server_name(const tideR_server *server, struct sockaddr_storage *name,
                      int *size) {
  socklen_t length = sizeof *name;
  if (server->handle.closed)
    return UV_ECANCELED;
  if (getsockname(server->fd, (struct sockaddr *)name, &length) < 0)
    return tideR__errno();
  *size = (int)length;
  return 0;
}

/* The socket listens, and is the server's, also when it fails. */
static int server_new(tideR_runtime *rt, int fd, tideR_server **out) {
  static const tideR_handlekind kind = {"server", close_server, is_active, NULL,
                                        free_server};
  static const tideR_waitkind accepting = {"accept", tideR_waitq_abort,
                                           forfeit_accepting};
  tideR_server *server = calloc(1, sizeof *server);
  int err = UV_ENOMEM;
  if (server != NULL)
    err = uv_poll_init_socket(rt->uv, &server->poll, fd);
  if (err < 0) {
    free(server);
    close(fd);
    return err;
  }
  tideR__handle_init(rt, &server->handle, &kind);
  tideR_waitq_init(&server->acceptors, &accepting);
  server->fd = fd;
  uv_timer_init(rt->uv, &server->pause);
  server->poll.data = server->pause.data = server;
  tideR__handle_keep(&server->handle);
  tideR__handle_keep(&server->handle);
  *out = server;
  return 0;
}

/* ---- opening ---- */

static int prepare(int fd, int family, const tideR_listening *options) {
  int err = 0;
  if (options->reuseaddr)
    err = tideR__socket_set(fd, SOL_SOCKET, SO_REUSEADDR, true);
#ifdef SO_REUSEPORT
  if (err == 0 && options->reuseport)
    err = tideR__socket_set(fd, SOL_SOCKET, SO_REUSEPORT, true);
#endif
  if (err == 0 && family == AF_INET6)
    err = tideR__socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6only);
  return err;
}

static int listen_at(int fd, const struct sockaddr *at, socklen_t size,
                     int backlog) {
  if (bind(fd, at, size) < 0 || listen(fd, backlog) < 0)
    return tideR__errno();
  return 0;
}

int tideR_server_tcp(tideR_runtime *rt, const struct sockaddr *at,
                     const tideR_listening *options, tideR_server **out) {
  int fd, err = tideR__permit(rt, "listen");
  *out = NULL;
  if (err < 0)
    return err;
  fd = tideR__socket_new(at->sa_family, SOCK_STREAM);
  if (fd < 0)
    return fd;
  err = prepare(fd, at->sa_family, options);
  if (err == 0)
    err = listen_at(fd, at,
                    at->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                              : sizeof(struct sockaddr_in),
                    options->backlog);
  if (err < 0) {
    close(fd);
    return err;
  }
  return server_new(rt, fd, out);
}

/* A socket file that nobody listens at any more. */
static void remove_stale(const struct sockaddr_un *address, socklen_t size) {
  struct stat found;
  int fd;
  if (address->sun_path[0] == '\0' || lstat(address->sun_path, &found) < 0 ||
      !S_ISSOCK(found.st_mode))
    return;
  fd = tideR__socket_new(AF_UNIX, SOCK_STREAM);
  if (fd < 0)
    return;
  if (connect(fd, (const struct sockaddr *)address, size) < 0 &&
      errno == ECONNREFUSED)
    unlink(address->sun_path);
  close(fd);
}

static void note_file(tideR_server *server, const struct sockaddr_un *address) {
  struct stat made;
  if (address->sun_path[0] == '\0' || lstat(address->sun_path, &made) < 0)
    return;
  memcpy(server->path, address->sun_path, sizeof address->sun_path);
  server->device = made.st_dev;
  server->inode = made.st_ino;
}

int tideR_server_unix(tideR_runtime *rt, const char *name, size_t length,
                      const tideR_listening *options, tideR_server **out) {
  struct sockaddr_un address;
  socklen_t size;
  int fd, err = tideR__permit(rt, "listen");
  *out = NULL;
  if (err == 0)
    err = tideR__unix_address(name, length, &address, &size);
  if (err < 0)
    return err;
  fd = tideR__socket_new(AF_UNIX, SOCK_STREAM);
  if (fd < 0)
    return fd;
  if (options->replace)
    remove_stale(&address, size);
  err = listen_at(fd, (struct sockaddr *)&address, size, options->backlog);
  if (err < 0) {
    close(fd);
    return err;
  }
  err = server_new(rt, fd, out);
  if (err < 0) {
    unlink(address.sun_path);
    return err;
  }
  (*out)->is_unix = true;
  note_file(*out, &address);
  return 0;
}

#endif
