/*
 * process.c: a child's life, from when it runs.
 *
 * Its end is seen by a descriptor that stands for it, which Linux has, or else
 * by looking again and again. SIGCHLD is not needed, so it is nobody's problem
 * who else has a handler for that, or takes ours away. Nor is a child reaped
 * before it is known here that it has ended: until then its number is no other
 * process's, and may be signalled.
 *
 * One that leads a group stays a zombie until it is closed. So the number stays
 * its group's, whose other processes can be ended whenever that is. Once it is
 * reaped, the group is only signalled while it was never seen to be empty.
 *
 * On Windows libuv does it all.
 */
#include <stdlib.h>
#ifndef _WIN32
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif

#include "internal.h"
#include "processes.h"

#define LOOK_MOST 64 /* milliseconds between two looks at a child, at most */
/* For one that was killed, in nanoseconds: when it is closed, and when its
 * runtime ends. It may be seconds until a busy system lets it end. */
#define CLOSE_NS 5000000
#define END_NS 5000000000u
#define PAUSE_LEAST 100000 /* between two looks at it */
#define PAUSE_MOST 5000000

static void decide(tideR_process *process) {
  process->ended = true;
  tideR_waitq_wake_all(process->handle.rt, &process->waiters);
}

static tideR_process *process_of(tideR_handle *handle) {
  return CONTAINER(handle, tideR_process, handle);
}

static bool is_forked(const tideR_process *process) {
  return tideR_loop_forked(process->handle.rt);
}

/* ---- libuv's handles ---- */

static void on_uv_closed(uv_handle_t *handle) {
  tideR__handle_done(&CONTAINER(handle, tideR_process, uv)->handle);
}

void tideR__process_close_uv(tideR_process *process) {
  uv_handle_t *handle = (uv_handle_t *)&process->uv;
  if (!uv_is_closing(handle))
    uv_close(handle, on_uv_closed);
}

#ifdef _WIN32

static bool look(tideR_process *process) {
  return process->ended;
}

static void stop_watching(tideR_process *process) {
  tideR__process_close_uv(process);
}

void tideR__process_told(tideR_process *process, int code, int signal) {
  process->code = code;
  process->signal = signal;
  process->reaped = process->is_gone = true;
  tideR__handle_shut(&process->handle);
  tideR__process_close_uv(process);
  decide(process);
}

void tideR__process_begin(tideR_process *process, bool passes_interrupt) {
  (void)passes_interrupt;
  process->pid = uv_process_get_pid(&process->uv);
}

static int send_signal(tideR_process *process, bool group, int signal) {
  (void)group;
  return uv_process_kill(&process->uv, signal);
}

static void end(tideR_process *process) {
  uv_process_kill(&process->uv, SIGTERM);
  tideR__process_close_uv(process);
}

void tideR__processes_end(tideR_runtime *rt) {
  (void)rt;
}

bool tideR_process_is_left(tideR_process *process) {
  return !process->ended;
}

#else

/* ---- seeing its end ---- */

static void on_watch_closed(uv_handle_t *handle) {
  tideR__handle_done(&CONTAINER(handle, tideR_process, watch.any)->handle);
}

static void stop_watching(tideR_process *process) {
  if (!process->is_watched)
    return;
  process->is_watched = false;
  uv_close(&process->watch.any, on_watch_closed);
  if (process->pidfd >= 0)
    close(process->pidfd);
  process->pidfd = -1;
}

/* Where it waits as a zombie its number is still its own. */
static void reap(tideR_process *process) {
  int pid, status;
  tideR_signal_unwatch(&process->interrupt);
  process->reaped = true;
  tideR__handle_shut(&process->handle);
  if (process->is_lost)
    return;
  do
    pid = waitpid(process->pid, &status, WNOHANG);
  while (pid < 0 && errno == EINTR);
}

static void seen(tideR_process *process, const siginfo_t *how) {
  if (how->si_code == CLD_EXITED)
    process->code = how->si_status;
  else
    process->signal = how->si_status;
}

/* Whether it has ended. ECHILD: somebody else has reaped it, a handler of the
 * host's say, or the system where SIGCHLD is ignored. */
static bool look(tideR_process *process) {
  siginfo_t how = {0};
  int err;
  if (process->ended || is_forked(process))
    return process->ended;
  do
    err = waitid(P_PID, (id_t)process->pid, &how, WEXITED | WNOHANG | WNOWAIT);
  while (err < 0 && errno == EINTR);
  if (err == 0 && how.si_pid == 0)
    return false;
  if (err == 0)
    seen(process, &how);
  else
    process->is_lost = process->is_gone = true; /* as its number is */
  stop_watching(process);
  if (!process->detached || process->is_lost)
    reap(process);
  decide(process);
  return true;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  look(CONTAINER(poll, tideR_process, watch.poll));
}

static void on_time(uv_timer_t *timer) {
  uint64_t ms = 2 * uv_timer_get_repeat(timer);
  if (!look(CONTAINER(timer, tideR_process, watch.timer)))
    uv_timer_set_repeat(timer, ms < LOOK_MOST ? ms : LOOK_MOST);
}

static int open_pidfd(int pid) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, pid, 0);
#else
  (void)pid;
  return -1;
#endif
}

static bool watch_descriptor(tideR_process *process) {
  process->pidfd = open_pidfd(process->pid);
  if (process->pidfd < 0)
    return false;
  if (uv_poll_init(process->handle.rt->uv, &process->watch.poll,
                   process->pidfd) < 0) {
    close(process->pidfd);
    process->pidfd = -1;
    return false;
  }
  uv_poll_start(&process->watch.poll, UV_READABLE, on_readable);
  return true;
}

static void watch(tideR_process *process) {
  uv_loop_t *loop = process->handle.rt->uv;
  if (!watch_descriptor(process)) {
    uv_update_time(loop);
    uv_timer_init(loop, &process->watch.timer);
    uv_timer_start(&process->watch.timer, on_time, 1, 1);
  }
  process->is_watched = true;
  tideR__handle_keep(&process->handle);
}

/* ---- interrupts ---- */

/* In the signal handler. */
static void on_interrupt(tideR_signal *signal) {
  kill(-CONTAINER(signal, tideR_process, interrupt)->pid, SIGINT);
}

/* A terminal does not send it to a group that is not its own. Where it is
 * ignored here, it would have been there. */
static void pass_interrupts(tideR_process *process) {
  struct sigaction now;
  if (sigaction(SIGINT, NULL, &now) < 0 || now.sa_handler == SIG_IGN)
    return;
  process->interrupt.aside = true;
  process->interrupt.caught = on_interrupt;
  tideR_signal_watch(process->handle.rt, &process->interrupt, SIGINT, false,
                     NULL);
}

/* ---- those that were killed and have yet to end ---- */

static bool look_for(tideR_process *process, uint64_t ns) {
  struct timespec pause = {0, PAUSE_LEAST};
  uint64_t until = uv_hrtime() + ns;
  while (!look(process) && uv_hrtime() < until) {
    nanosleep(&pause, NULL);
    if (pause.tv_nsec < PAUSE_MOST)
      pause.tv_nsec *= 2;
  }
  return process->ended;
}

/* `is_last`: also those that do not end. */
static void forget_due(tideR_runtime *rt, uint64_t ns, bool is_last) {
  tideR_process **link = &rt->due;
  while (*link != NULL) {
    tideR_process *process = *link;
    if (!look_for(process, ns) && !is_last) {
      link = &process->next_due;
      continue;
    }
    *link = process->next_due;
    if (process->ended && !process->reaped)
      reap(process);
    tideR__handle_drop(&process->handle);
  }
}

/* What the system holds up longer than that is left to it. */
void tideR__processes_end(tideR_runtime *rt) {
  forget_due(rt, tideR_loop_forked(rt) ? 0 : END_NS, true);
}

/* ---- beginning and ending ---- */

void tideR__process_begin(tideR_process *process, bool passes_interrupt) {
  forget_due(process->handle.rt, 0, false);
  process->pid = process->uv.pid;
  watch(process);
  if (passes_interrupt && process->detached)
    pass_interrupts(process);
}

static int send_signal(tideR_process *process, bool group, int signal) {
  int err = kill(group ? -process->pid : process->pid, signal);
  return err < 0 ? uv_translate_sys_error(errno) : 0;
}

/* It takes no time worth speaking of until it is no more. */
static void end(tideR_process *process) {
  if (is_forked(process)) { /* they are the parent's */
    stop_watching(process);
    return;
  }
  tideR_signal_unwatch(&process->interrupt);
  send_signal(process, process->detached, SIGKILL);
  process->is_gone = true; /* as far as we are concerned */
  if (look_for(process, CLOSE_NS)) {
    if (!process->reaped)
      reap(process);
    return;
  }
  stop_watching(process);
  process->handle.owners++;
  process->next_due = process->handle.rt->due;
  process->handle.rt->due = process;
}

/* Nothing is left of it, but perhaps of its group: who has asked the others to
 * end does not want to wait for longer than they take. */
bool tideR_process_is_left(tideR_process *process) {
  if (!tideR_process_ended(process))
    return true;
  if (!process->reaped)
    reap(process);
  if (!process->detached || process->is_gone)
    return false;
  process->is_gone = !tideR__group_runs(process->pid);
  return !process->is_gone;
}

#endif

/* ---- life ---- */

static void close_process(tideR_handle *handle) {
  tideR_process *process = process_of(handle);
  end(process);
  tideR_waitq_wake_all(handle->rt, &process->waiters);
}

static bool is_active(const tideR_handle *handle) {
  return !CONTAINER(handle, tideR_process, handle)->ended;
}

static void free_process(tideR_handle *handle) {
  free(process_of(handle));
}

static const tideR_handlekind kind = {"process", close_process, is_active, NULL,
                                      free_process};

/* Where the process ends without its runtime. */
void tideR_processes_close(tideR_runtime *rt) {
  for (tideR_handle *it = rt->open; it != NULL; it = it->next)
    if (it->kind == &kind)
      tideR_handle_close(it);
  tideR__processes_end(rt);
}

void tideR__process_init(tideR_runtime *rt, tideR_process *process) {
  static const tideR_waitkind waiting = {"process", tideR_waitq_abort, NULL};
  tideR__handle_init(rt, &process->handle, &kind);
  tideR_waitq_init(&process->waiters, &waiting);
  tideR_signal_init(&process->interrupt);
  process->pidfd = -1;
}

bool tideR_process_ended(tideR_process *process) {
  return look(process);
}

void tideR_process_park(tideR_runtime *rt, tideR_task *task,
                        tideR_process *process) {
  tideR_waitq_park(rt, task, &process->waiters);
}

int tideR_process_kill(tideR_process *process, int signal) {
  if (is_forked(process))
    return UV_ECANCELED;
  if (tideR_process_ended(process))
    return UV_ESRCH;
  return process->handle.closed ? UV_ECANCELED
                                : send_signal(process, false, signal);
}

int tideR_process_kill_all(tideR_process *process, int signal) {
  if (!process->detached || is_forked(process))
    return tideR_process_kill(process, signal);
  return process->is_gone ? UV_ESRCH : send_signal(process, true, signal);
}
