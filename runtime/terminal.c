/*
 * terminal.c: terminals in raw mode, as they were given back.
 *
 * A mode is the terminal's, whoever shares it, and outlives the process: so
 * this has statics. Each terminal that is raw has a slot with what it was
 * before, which goes back with the last stream that wants it raw, at exit, and
 * before a signal that ends the process: then in the signal's handler.
 */
#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "internal.h"
#include "standard.h"

#define SLOTS 8

static struct slot {
  unsigned holders; /* streams that want it raw; 0: it is free */
  dev_t device;
  int fd; /* our own */
  long pid;
  struct termios before;
} slots[SLOTS];

static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void) {
  while (atomic_flag_test_and_set(&busy))
    continue;
}

static void unlock(void) {
  atomic_flag_clear(&busy);
}

static int set_mode(int fd, const struct termios *mode) {
  int err;
  do
    err = tcsetattr(fd, TCSANOW, mode);
  while (err < 0 && errno == EINTR);
  return err < 0 ? uv_translate_sys_error(errno) : 0;
}

/* It is another's to mend while this process is in the background, and would
 * stop it; and always in the child of a fork. */
static void put_back(const struct slot *slot) {
  pid_t foreground;
  if (slot->pid != (long)getpid())
    return;
  foreground = tcgetpgrp(slot->fd);
  if (foreground < 0 || foreground == getpgrp())
    set_mode(slot->fd, &slot->before);
}

/* Async-signal-safe, as are tcgetpgrp, tcsetattr. Who holds the lock may be
 * what the handler interrupted. */
void tideR__terminals_reset(void) {
  int error = errno;
  if (atomic_flag_test_and_set(&busy))
    return;
  for (int i = 0; i < SLOTS; i++)
    if (slots[i].holders > 0)
      put_back(&slots[i]);
  unlock();
  errno = error;
}

static void reset_at_exit(void) {
  static atomic_flag is_set = ATOMIC_FLAG_INIT;
  if (!atomic_flag_test_and_set(&is_set))
    atexit(tideR__terminals_reset);
}

/* ---- slots ---- */

/* In the child of a fork what the parent held is free. */
static bool is_free(const struct slot *slot) {
  return slot->holders == 0 || slot->pid != (long)getpid();
}

static int take_slot(int fd, int *out) {
  struct slot *slot = NULL;
  struct stat found;
  if (fstat(fd, &found) < 0)
    return uv_translate_sys_error(errno);
  for (int i = 0; i < SLOTS; i++) {
    if (!is_free(&slots[i]) && slots[i].device == found.st_rdev) {
      slots[i].holders++;
      *out = i + 1;
      return 0;
    }
    if (slot == NULL && is_free(&slots[i]))
      slot = &slots[i];
  }
  if (slot == NULL)
    return UV_ENOBUFS;
  if (tcgetattr(fd, &slot->before) < 0)
    return uv_translate_sys_error(errno);
  slot->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (slot->fd < 0)
    return uv_translate_sys_error(errno);
  slot->holders = 1;
  slot->device = found.st_rdev;
  slot->pid = (long)getpid();
  *out = (int)(slot - slots) + 1;
  return 0;
}

static void give_slot(int index) {
  struct slot *slot = &slots[index - 1];
  if (is_free(slot) || --slot->holders > 0)
    return;
  put_back(slot);
  close(slot->fd);
}

/* ---- modes ---- */

/* Output stays as it was: "\n" goes to the beginning of the next line. */
static struct termios raw_mode(struct termios mode, bool interrupts) {
  mode.c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
  mode.c_lflag &= (tcflag_t) ~(ECHO | ICANON | IEXTEN | ISIG);
  mode.c_cflag |= CS8;
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  if (interrupts) {
    mode.c_lflag |= ISIG;
    mode.c_cc[VQUIT] = mode.c_cc[VSUSP] = _POSIX_VDISABLE;
#ifdef VDSUSP
    mode.c_cc[VDSUSP] = _POSIX_VDISABLE;
#endif
  }
  return mode;
}

static int make_raw(tideR_terminal *terminal, int fd, bool interrupts) {
  struct termios mode;
  int err = 0;
  bool is_new = terminal->slot == 0;
  if (is_new)
    err = take_slot(fd, &terminal->slot);
  if (err < 0)
    return err;
  mode = raw_mode(slots[terminal->slot - 1].before, interrupts);
  err = set_mode(fd, &mode);
  if (err < 0 && is_new) {
    give_slot(terminal->slot);
    terminal->slot = 0;
  }
  return err;
}

int tideR__terminal_set(tideR_terminal *terminal, int fd, tideR_keys keys) {
  int err = 0;
  if (keys == TIDE_KEYS_LINES && terminal->slot == 0)
    return 0;
  reset_at_exit();
  lock();
  if (keys != TIDE_KEYS_LINES) {
    err = make_raw(terminal, fd, keys == TIDE_KEYS_INTERRUPT);
  } else {
    give_slot(terminal->slot);
    terminal->slot = 0;
  }
  unlock();
  return err;
}

int tideR__terminal_size(int fd, int *columns, int *rows) {
  struct winsize size;
  int err;
  do
    err = ioctl(fd, TIOCGWINSZ, &size);
  while (err < 0 && errno == EINTR);
  if (err < 0)
    return uv_translate_sys_error(errno);
  *columns = size.ws_col;
  *rows = size.ws_row;
  return 0;
}

#endif
