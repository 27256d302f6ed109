/*
 * input.c: a descriptor read as it comes: a terminal, a pipe, a file.
 *
 * A terminal or pipe is read once each time that it is readable and wanted, and
 * stays in blocking mode: others read it, too, and know of no other mode. What
 * is neither is read at once: it never waits for long.
 */
#include <stdlib.h>
#ifndef _WIN32
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>
#endif

#include "internal.h"

struct tideR_input {
  tideR_waitq waiter; /* at most one */
  tideR_runtime *rt;
  tideR_input *sibling; /* the next one of this runtime */
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_pipe_t pipe;
    uv_tty_t tty;
  } uv;
  int fd;
  uv_handle_type type; /* UV_TTY, UV_NAMED_PIPE, or else a file */
  bool reading;        /* a task waits, or was woken and is yet to take it */
  ssize_t length;      /* of what is in the buffer, or negative: why not */
  char buffer[4096];
};

static bool is_stream(const tideR_input *input) {
  return input->type == UV_TTY || input->type == UV_NAMED_PIPE;
}

static bool abort_reading(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  tideR_input *input = CONTAINER(task->wait, tideR_input, waiter.wait);
  uv_read_stop(&input->uv.stream);
  input->reading = false;
  return tideR_waitq_abort(rt, task, why);
}

/* Who was woken will not come: what was read is the next one's. */
static void forfeit_reading(tideR_runtime *rt, tideR_task *task) {
  tideR_input *input = CONTAINER(task->wait, tideR_input, waiter.wait);
  (void)rt;
  input->reading = false;
}

/* ---- opening and closing ---- */

static int get_flags(int fd) {
#ifdef _WIN32
  (void)fd;
  return 0;
#else
  return fcntl(fd, F_GETFL);
#endif
}

static void set_flags(int fd, int flags) {
#ifdef _WIN32
  (void)fd;
  (void)flags;
#else
  if (flags >= 0)
    fcntl(fd, F_SETFL, flags);
#endif
}

void tideR_input_reserve(void) {
#ifndef _WIN32
  int fd;
  do
    fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= 2);
  if (fd >= 0)
    close(fd);
#endif
}

static void on_close(uv_handle_t *handle) {
  tideR_input *input = handle->data;
  tideR_runtime *rt = input->rt;
  free(input);
  tideR__handle_closed(rt);
}

/* libuv does not close the descriptors of stdin, stdout, stderr. */
static int open_stream(tideR_input *input) {
  int err, flags = get_flags(input->fd);
  if (input->type == UV_TTY) {
    err = uv_tty_init(input->rt->uv, &input->uv.tty, input->fd, 1);
    if (err < 0)
      return err;
  } else {
    uv_pipe_init(input->rt->uv, &input->uv.pipe, 0);
    err = uv_pipe_open(&input->uv.pipe, input->fd);
  }
  input->uv.handle.data = input;
  tideR__handle_opened(input->rt);
  set_flags(input->fd, flags);
  if (err < 0)
    uv_close(&input->uv.handle, on_close);
  return err;
}

int tideR_input_open(tideR_runtime *rt, int fd, tideR_input **out) {
  static const tideR_waitkind kind = {"input", abort_reading, forfeit_reading};
  tideR_input *input = calloc(1, sizeof *input);
  int err = 0;
  *out = NULL;
  if (input == NULL)
    return UV_ENOMEM;
  tideR_waitq_init(&input->waiter, &kind);
  input->rt = rt;
  input->fd = fd;
  input->type = uv_guess_handle(fd);
  if (input->type == UV_TCP) /* a socket, which is read as a pipe is */
    input->type = UV_NAMED_PIPE;
  if (is_stream(input))
    err = open_stream(input);
  if (err < 0) {
    if (input->uv.handle.data == NULL) /* libuv does not know it */
      free(input);
    return err;
  }
  input->sibling = rt->inputs;
  rt->inputs = input;
  *out = input;
  return 0;
}

void tideR_input_close(tideR_input *input) {
  tideR_input **link = &input->rt->inputs;
  while (*link != input)
    link = &(*link)->sibling;
  *link = input->sibling;
  tideR_waitq_wake_all(input->rt, &input->waiter);
  tideR_input_raw(input, false);
  if (is_stream(input))
    uv_close(&input->uv.handle, on_close);
  else
    free(input);
}

uint32_t tideR__inputs_active(const tideR_runtime *rt) {
  uint32_t count = 0;
  for (const tideR_input *it = rt->inputs; it != NULL; it = it->sibling)
    count += is_stream(it) && uv_is_active(&it->uv.handle);
  return count;
}

void tideR__inputs_end(tideR_runtime *rt) {
  while (rt->inputs != NULL)
    tideR_input_close(rt->inputs);
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room) {
  tideR_input *input = handle->data;
  (void)wanted;
  *room = uv_buf_init(input->buffer, sizeof input->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room) {
  tideR_input *input = stream->data;
  (void)room;
  if (n == 0) /* nothing was there, after all */
    return;
  uv_read_stop(stream);
  input->length = n;
  tideR_waitq_wake(input->rt, &input->waiter);
}

static void read_file(tideR_input *input) {
  uv_fs_t request;
  uv_buf_t room = uv_buf_init(input->buffer, sizeof input->buffer);
  input->length = uv_fs_read(NULL, &request, input->fd, &room, 1, -1, NULL);
  uv_fs_req_cleanup(&request);
  if (input->length == 0)
    input->length = UV_EOF;
}

bool tideR_input_ready(tideR_input *input) {
  if (input->length == 0 && !is_stream(input))
    read_file(input);
  return input->length != 0;
}

bool tideR_input_busy(const tideR_input *input) {
  return input->reading;
}

tideR_wait *tideR_input_promise(tideR_input *input) {
  input->reading = true;
  return &input->waiter.wait;
}

int tideR_input_park(tideR_runtime *rt, tideR_task *task, tideR_input *input) {
  int err = uv_read_start(&input->uv.stream, on_room, on_read);
  if (err == 0) {
    tideR_waitq_park(rt, task, &input->waiter);
    input->reading = true;
  }
  return err;
}

ssize_t tideR_input_see(tideR_input *input, const char **bytes) {
  input->reading = false;
  *bytes = input->buffer;
  return input->length;
}

void tideR_input_take(tideR_input *input) {
  input->length = 0;
}

/* ---- terminals ---- */

bool tideR_input_is_tty(const tideR_input *input) {
  return input->type == UV_TTY;
}

static void reset(void) {
  uv_tty_reset_mode();
}

/* In case that the process ends by exit. */
static void reset_at_exit(void) {
  static atomic_flag is_set = ATOMIC_FLAG_INIT;
  if (!atomic_flag_test_and_set(&is_set))
    atexit(reset);
}

/* An interrupt still is a signal: who computes reads no keys. */
static void keep_interrupt(const tideR_input *input) {
#ifndef _WIN32
  struct termios mode;
  uv_os_fd_t fd;
  if (uv_fileno(&input->uv.handle, &fd) < 0 || tcgetattr(fd, &mode) < 0)
    return;
  mode.c_lflag |= ISIG;
  mode.c_cc[VQUIT] = mode.c_cc[VSUSP] = _POSIX_VDISABLE;
#ifdef VDSUSP
  mode.c_cc[VDSUSP] = _POSIX_VDISABLE;
#endif
  tcsetattr(fd, TCSADRAIN, &mode);
#else
  (void)input;
#endif
}

int tideR_input_raw(tideR_input *input, bool raw) {
  int err;
  if (input->type != UV_TTY)
    return raw ? UV_ENOTSUP : 0;
  if (raw)
    reset_at_exit();
  err = uv_tty_set_mode(&input->uv.tty,
                        raw ? UV_TTY_MODE_RAW : UV_TTY_MODE_NORMAL);
  if (raw && err == 0)
    keep_interrupt(input);
  return err;
}

int tideR_input_columns(tideR_input *input) {
  int columns = 0, rows;
  if (input->type == UV_TTY)
    uv_tty_get_winsize(&input->uv.tty, &columns, &rows);
  return columns;
}
