/*
 * server_windows.c: server.c for Windows, where connections are libuv's to
 * accept: those that nobody has taken yet are counted, and wait in libuv.
 */
#ifdef _WIN32
#include <stdlib.h>
#include <string.h>

#include "socket.h"

struct tideR_server {
  tideR_handle handle;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
  bool is_unix;
  tideR_waitq acceptors;
  unsigned count, granted; /* that wait; of these, for tasks that were woken */
};

static tideR_server *server_of(const tideR_handle *handle) {
  return CONTAINER(handle, tideR_server, handle);
}

static void grant(tideR_server *server) {
  if (server->count > server->granted &&
      tideR_waitq_wake(server->handle.rt, &server->acceptors) != NULL)
    server->granted++;
}

static void on_connection(uv_stream_t *stream, int status) {
  tideR_server *server = stream->data;
  if (status < 0) {
    server->handle.rt->accept_trouble = status;
    tideR_call_chores(server->handle.rt);
    return;
  }
  server->count++;
  grant(server);
}

static void forfeit_accepting(tideR_runtime *rt, tideR_task *task) {
  tideR_server *server = CONTAINER(task->wait, tideR_server, acceptors.wait);
  (void)rt;
  server->granted--;
  if (!server->handle.closed)
    grant(server);
}

bool tideR_server_ready(tideR_server *server) {
  return server->acceptors.head == NULL && server->count > server->granted;
}

tideR_wait *tideR_server_promise(tideR_server *server) {
  server->granted++;
  return &server->acceptors.wait;
}

void tideR_server_park(tideR_runtime *rt, tideR_task *task,
                       tideR_server *server) {
  tideR_waitq_park(rt, task, &server->acceptors);
}

int tideR_server_take(tideR_server *server, tideR_wire **out) {
  int err;
  *out = NULL;
  if (server->granted > 0)
    server->granted--;
  if (server->handle.closed || server->count == 0)
    return UV_ECANCELED;
  err = server->is_unix ? tideR__unix_new(server->handle.rt, out)
                        : tideR__tcp_new(server->handle.rt, out);
  if (err < 0)
    return err;
  server->count--;
  err = uv_accept(&server->uv.stream, &(*out)->uv.stream);
  if (err < 0) {
    tideR_handle_release(&(*out)->stream.handle);
    *out = NULL;
  }
  return err;
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

static void close_server(tideR_handle *handle) {
  tideR_server *server = server_of(handle);
  uv_close(&server->uv.handle, on_close);
  tideR_waitq_wake_all(handle->rt, &server->acceptors);
}

static bool is_active(const tideR_handle *handle) {
  (void)handle;
  return true;
}

static void free_server(tideR_handle *handle) {
  free(server_of(handle));
}

tideR_handle *tideR_server_handle(tideR_server *server) {
  return &server->handle;
}

bool tideR_server_is_unix(const tideR_server *server) {
  return server->is_unix;
}

int tideR_server_name(const tideR_server *server, struct sockaddr_storage *name,
                      int *size) {
  if (server->handle.closed)
    return UV_ECANCELED;
  if (server->is_unix)
    return UV_ENOTSUP;
  return uv_tcp_getsockname(&server->uv.tcp, (struct sockaddr *)name, size);
}

static tideR_server *server_new(tideR_runtime *rt, bool is_unix) {
  static const tideR_handlekind kind = {"server", close_server, is_active, NULL,
                                        free_server};
  static const tideR_waitkind accepting = {"accept", tideR_waitq_abort,
                                           forfeit_accepting};
  tideR_server *server = calloc(1, sizeof *server);
  int err;
  if (server == NULL)
    return NULL;
  err = is_unix ? uv_pipe_init(rt->uv, &server->uv.pipe, 0)
                : uv_tcp_init(rt->uv, &server->uv.tcp);
  if (err < 0) {
    free(server);
    return NULL;
  }
  server->is_unix = is_unix;
  tideR__handle_init(rt, &server->handle, &kind);
  tideR_waitq_init(&server->acceptors, &accepting);
  server->uv.handle.data = server;
  tideR__handle_keep(&server->handle);
  return server;
}

/* ---- opening ---- */

static int listen_at(tideR_server *server, int err, int backlog,
                     tideR_server **out) {
  if (err == 0)
    err = uv_listen(&server->uv.stream, backlog, on_connection);
  if (err < 0)
    tideR_handle_release(&server->handle);
  else
    *out = server;
  return err;
}

int tideR_server_tcp(tideR_runtime *rt, const struct sockaddr *at,
                     const tideR_listening *options, tideR_server **out) {
  int err = tideR__permit(rt, "listen");
  tideR_server *server = err == 0 ? server_new(rt, false) : NULL;
  *out = NULL;
  if (server == NULL)
    return err < 0 ? err : UV_ENOMEM;
  err = uv_tcp_bind(
      &server->uv.tcp, at,
      options->ipv6only && at->sa_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
  return listen_at(server, err, options->backlog, out);
}

int tideR_server_unix(tideR_runtime *rt, const char *name, size_t length,
                      const tideR_listening *options, tideR_server **out) {
  int err = tideR__permit(rt, "listen");
  tideR_server *server = NULL;
  *out = NULL;
  if (length == 0 || strlen(name) != length)
    return UV_EINVAL;
  if (err == 0)
    server = server_new(rt, true);
  if (server == NULL)
    return err < 0 ? err : UV_ENOMEM;
  err = uv_pipe_bind(&server->uv.pipe, name);
  return listen_at(server, err, options->backlog, out);
}

#endif
