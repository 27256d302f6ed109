/*
 * spawn.c: how a child begins.
 *
 * Its ends of pipes, and the files it is to have, are opened here and closed
 * once it has its own. Pipes are the system's, not pairs of sockets as libuv
 * makes: a child that opens /dev/stdin or /dev/stdout can.
 *
 * libuv watches SIGCHLD from when it makes a child until its handle is closed,
 * which is at once: see process.c. What handler there was before is put back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#ifndef _WIN32
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#endif

#include "internal.h"
#include "processes.h"
#include "socket.h"

#ifndef O_NONBLOCK
#define O_NONBLOCK 0
#endif

/* ---- descriptors ---- */

typedef struct end { /* of the child's */
  int fd;            /* -1: none, it gets one that is empty */
  bool is_ours;      /* to close */
} end;

static void close_fd(int fd) {
  uv_fs_t request;
  uv_fs_close(NULL, &request, fd, NULL);
  uv_fs_req_cleanup(&request);
}

static void close_ends(end ends[3]) {
  for (int i = 0; i < 3; i++)
    if (ends[i].is_ours)
      close_fd(ends[i].fd);
}

/* Not to wait for who is at the other end, if that is a pipe: the child, for
 * which libuv makes it blocking, does not mind. */
static int open_path(const char *path, bool reads) {
  int flags = reads ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  uv_fs_t request;
  int fd = uv_fs_open(NULL, &request, path, flags | O_NONBLOCK, 0666, NULL);
  uv_fs_req_cleanup(&request);
  return fd;
}

static bool is_open(int fd) {
#ifndef _WIN32
  return fcntl(fd, F_GETFD) >= 0;
#else
  return uv_get_osfhandle(fd) != (uv_os_fd_t)-1;
#endif
}

static int adopt_pipe(tideR_runtime *rt, int fd, tideR_wire **out) {
  int err = tideR__unix_new(rt, out);
  if (err == 0) {
    err = uv_pipe_open(&(*out)->uv.pipe, fd);
    if (err == 0)
      return 0;
    tideR_handle_release(&(*out)->stream.handle);
    *out = NULL;
  }
  close_fd(fd);
  return err;
}

static int open_pipe(tideR_runtime *rt, bool reads, end *its,
                     tideR_wire **out) {
  uv_file fds[2];
  int err =
      uv_pipe(fds, reads ? 0 : UV_NONBLOCK_PIPE, reads ? UV_NONBLOCK_PIPE : 0);
  if (err < 0)
    return err;
  *its = (end){fds[!reads], true};
  return adopt_pipe(rt, fds[reads], out);
}

/* What the program has written to it is before what the child writes. */
static int flush_own(int fd) {
  if (fd == 1)
    fflush(stdout);
  else if (fd == 2)
    fflush(stderr);
  return fd;
}

static int open_end(tideR_runtime *rt, const tideR_stdio *stdio, int i,
                    end ends[3], tideR_wire **wire) {
  end *its = &ends[i];
  switch (stdio->kind) {
  case TIDE_STDIO_NULL:
    return 0;
  case TIDE_STDIO_INHERIT:
    its->fd = is_open(i) ? flush_own(i) : -1;
    return 0;
  case TIDE_STDIO_PIPE:
    return open_pipe(rt, i == 0, its, wire);
  case TIDE_STDIO_PATH:
    its->fd = open_path(stdio->path, i == 0);
    its->is_ours = its->fd >= 0;
    return its->fd < 0 ? its->fd : 0;
  case TIDE_STDIO_FD:
    its->fd = flush_own(stdio->fd);
    return is_open(stdio->fd) ? 0 : UV_EBADF;
  case TIDE_STDIO_STDOUT:
    its->fd = ends[1].fd;
    return 0;
  }
  return UV_EINVAL;
}

static int open_ends(tideR_runtime *rt, const tideR_spawning *how, end ends[3],
                     tideR_wire *wires[3], const char **culprit) {
  int err = 0;
  for (int i = 0; i < 3; i++)
    ends[i] = (end){-1, false};
  for (int i = 0; i < 3 && err == 0; i++) {
    err = open_end(rt, &how->stdio[i], i, ends, &wires[i]);
    if (err < 0 && how->stdio[i].kind == TIDE_STDIO_PATH)
      *culprit = how->stdio[i].path;
  }
  return err;
}

static void drop_wires(tideR_wire *wires[3]) {
  for (int i = 0; i < 3; i++)
    if (wires[i] != NULL)
      tideR_handle_release(&wires[i]->stream.handle);
  for (int i = 0; i < 3; i++)
    wires[i] = NULL;
}

/* ---- SIGCHLD ---- */

#ifndef _WIN32

static atomic_long spawner; /* the process whose thread is at it; 0: none */

/* One thread at a time: else it might be libuv's handler for another's child
 * that is found. Who held it when another forked is not in the child. */
static void begin_spawn(void) {
  long pid = uv_os_getpid(), holder = 0;
  while (!atomic_compare_exchange_weak(&spawner, &holder, pid)) {
    if (holder == pid)
      holder = 0;
    sched_yield();
  }
}

static void end_spawn(void) {
  atomic_store(&spawner, 0);
}

static bool is_function(const struct sigaction *action) {
  return action->sa_flags & SA_SIGINFO ||
         (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static bool is_default(void) {
  struct sigaction now;
  return sigaction(SIGCHLD, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
         now.sa_handler == SIG_DFL;
}

static bool is_pending(void) {
  sigset_t pending;
  return sigpending(&pending) == 0 && sigismember(&pending, SIGCHLD) == 1;
}

/* A signal that comes meanwhile is its handler's still. Where they were ignored
 * they are no more: children would leave nothing to be seen. An interrupt waits
 * until it can be passed on. */
static int spawn(tideR_process *process, const uv_process_options_t *options,
                 bool passes_interrupt) {
  struct sigaction before;
  sigset_t held, mask;
  bool had, came;
  int err;
  begin_spawn();
  had = sigaction(SIGCHLD, NULL, &before) == 0 && is_function(&before);
  sigemptyset(&held);
  sigaddset(&held, SIGCHLD);
  if (passes_interrupt)
    sigaddset(&held, SIGINT);
  pthread_sigmask(SIG_BLOCK, &held, &mask);
  err = uv_spawn(process->handle.rt->uv, &process->uv, options);
  came = had && is_pending();
  tideR__process_close_uv(process); /* its watch goes with the last */
  if (had && is_default()) {
    sigaction(SIGCHLD, &before, NULL);
    if (came)
      kill(getpid(), SIGCHLD);
  }
  if (err == 0)
    tideR__process_begin(process, passes_interrupt);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  end_spawn();
  return err;
}

#else

static void on_exit(uv_process_t *uv, int64_t code, int signal) {
  tideR__process_told(CONTAINER(uv, tideR_process, uv), (int)code, signal);
}

static int spawn(tideR_process *process, uv_process_options_t *options,
                 bool passes_interrupt) {
  int err;
  options->exit_cb = on_exit;
  err = uv_spawn(process->handle.rt->uv, &process->uv, options);
  if (err < 0)
    tideR__process_close_uv(process);
  else
    tideR__process_begin(process, passes_interrupt);
  return err;
}

#endif

/* ---- spawning ---- */

static void fill(uv_process_options_t *options, uv_stdio_container_t stdio[3],
                 const tideR_spawning *how, const end ends[3]) {
  for (int i = 0; i < 3; i++) {
    stdio[i].flags = ends[i].fd < 0 ? UV_IGNORE : UV_INHERIT_FD;
    stdio[i].data.fd = ends[i].fd;
  }
  *options = (uv_process_options_t){.file = how->args[0],
                                    .args = how->args,
                                    .env = how->env,
                                    .cwd = how->cwd,
                                    .stdio_count = 3,
                                    .stdio = stdio,
                                    .uid = how->uid,
                                    .gid = how->gid};
  if (how->detached)
    options->flags |= UV_PROCESS_DETACHED;
  if (how->has_uid)
    options->flags |= UV_PROCESS_SETUID;
  if (how->has_gid)
    options->flags |= UV_PROCESS_SETGID;
}

/* libuv does not tell what of it was not there. */
static const char *find_culprit(const tideR_spawning *how) {
  uv_fs_t request;
  bool is_folder = true;
  if (how->cwd == NULL)
    return how->args[0];
  if (uv_fs_access(NULL, &request, how->cwd, 1, NULL) < 0)
    is_folder = false;
  uv_fs_req_cleanup(&request);
  return is_folder ? how->args[0] : how->cwd;
}

static int begin(tideR_runtime *rt, const tideR_spawning *how, end ends[3],
                 tideR_process **out) {
  uv_process_options_t options;
  uv_stdio_container_t stdio[3];
  tideR_process *process = calloc(1, sizeof *process);
  int err;
  if (process == NULL)
    return UV_ENOMEM;
  tideR__process_init(rt, process);
  process->detached = how->detached;
  fill(&options, stdio, how, ends);
  tideR__handle_keep(&process->handle);
  err = spawn(process, &options, how->passes_interrupt);
  if (err < 0) { /* it never was: there is nothing to end */
    tideR__handle_shut(&process->handle);
    tideR__handle_drop(&process->handle);
    return err;
  }
  *out = process;
  return 0;
}

int tideR_process_spawn(tideR_runtime *rt, const tideR_spawning *how,
                        tideR_process **out, tideR_wire *wires[3],
                        const char **culprit) {
  end ends[3];
  int err = tideR__permit(rt, "spawn");
  *out = NULL;
  *culprit = NULL;
  for (int i = 0; i < 3; i++)
    wires[i] = NULL;
  if (err < 0)
    return err;
  err = open_ends(rt, how, ends, wires, culprit);
  if (err == 0) {
    err = begin(rt, how, ends, out);
    if (err == UV_ENOENT || err == UV_EACCES || err == UV_ENOTDIR)
      *culprit = find_culprit(how);
  }
  close_ends(ends);
  if (err < 0)
    drop_wires(wires);
  return err;
}
