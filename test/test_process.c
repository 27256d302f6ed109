/*
 * test_process.c: children where the system does not help: without a descriptor
 * that stands for one, without processes, with others who reap.
 *
 * libuv and the runtime call the functions below and not the system's: a
 * program's own win.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "processes.h"
#include "test.h"

#define PUBLIC __attribute__((visibility("default")))

static bool no_pidfd, no_fork;

PUBLIC pid_t fork(void) {
  pid_t (*real)(void);
  *(void **)&real = dlsym(RTLD_NEXT, "fork");
  if (no_fork) {
    errno = EAGAIN;
    return -1;
  }
  return real();
}

PUBLIC long syscall(long number, ...) {
  long (*real)(long, ...);
  long args[6];
  va_list list;
  *(void **)&real = dlsym(RTLD_NEXT, "syscall");
  va_start(list, number);
  for (int i = 0; i < 6; i++)
    args[i] = va_arg(list, long);
  va_end(list);
#ifdef SYS_pidfd_open
  if (number == SYS_pidfd_open && no_pidfd) {
    errno = EMFILE;
    return -1;
  }
#endif
  return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static tideR_process *start(tideR_runtime *rt, const char *command,
                            bool detached) {
  char *args[] = {"sh", "-c", (char *)command, NULL};
  tideR_spawning how = {.args = args, .detached = detached};
  tideR_process *process;
  tideR_wire *wires[3];
  const char *culprit;
  CHECK_EQ(tideR_process_spawn(rt, &how, &process, wires, &culprit), 0);
  return process;
}

static bool poll_until_ended(tideR_runtime *rt, const tideR_process *process) {
  for (int i = 0; i < 5000 && !process->ended; i++) {
    uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
    uv_sleep(1);
  }
  return process->ended;
}

static bool is_there(int pid) {
  siginfo_t info;
  return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

TEST(an_end_is_seen_without_a_descriptor_for_it) {
  tideR_process *process;
  no_pidfd = true;
  process = start(rt, "sleep 0.01; exit 3", false);
  CHECK_EQ(process->pidfd, -1);
  CHECK(poll_until_ended(rt, process));
  CHECK_EQ(process->code, 3);
  CHECK_EQ(process->signal, 0);
  CHECK(!is_there(process->pid));
  CHECK_EQ(tideR_process_kill(process, SIGTERM), UV_ESRCH);
  tideR_handle_release(&process->handle);
  no_pidfd = false;
}

TEST(an_end_is_seen_although_a_forked_child_drops_its_copy) {
  int status = -1;
  pid_t child;
  tideR_process *process = start(rt, "sleep 0.05; exit 3", false);
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  child = fork();
  if (child == 0) {
    tideR_handle_release(&process->handle);
    _exit(0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK(poll_until_ended(rt, process));
  CHECK_EQ(process->code, 3);
  tideR_handle_release(&process->handle);
}

TEST(an_end_is_seen_whoever_has_sigchld) {
  tideR_process *process;
  signal(SIGCHLD, SIG_IGN);
  process = start(rt, "exit 3", false);
  CHECK(poll_until_ended(rt, process));
  CHECK_EQ(process->code, 3);
  tideR_handle_release(&process->handle);
  signal(SIGCHLD, SIG_DFL);
}

static volatile sig_atomic_t children;

static void on_child(int number) {
  (void)number;
  children++;
}

TEST(who_had_sigchld_has_it_after_a_child_is_made) {
  struct sigaction now;
  tideR_process *process;
  signal(SIGCHLD, on_child);
  process = start(rt, "exit 3", false);
  sigaction(SIGCHLD, NULL, &now);
  CHECK(now.sa_handler == on_child);
  CHECK(poll_until_ended(rt, process));
  CHECK(children > 0);
  tideR_handle_release(&process->handle);
  sigaction(SIGCHLD, NULL, &now);
  CHECK(now.sa_handler == on_child);
  signal(SIGCHLD, SIG_DFL);
}

TEST(one_that_another_has_reaped_is_never_signalled) {
  tideR_process *process = start(rt, "exit 3", false);
  waitpid(process->pid, NULL, 0);
  CHECK_EQ(tideR_process_kill(process, SIGKILL), UV_ESRCH);
  CHECK(process->ended);
  CHECK(process->is_lost);
  tideR_handle_release(&process->handle);
}

TEST(a_fork_that_fails_leaves_nothing) {
  char *args[] = {"true", NULL};
  tideR_spawning how = {.args = args};
  tideR_process *process;
  tideR_wire *wires[3];
  const char *culprit;
  int fd = dup(0), after;
  close(fd);
  no_fork = true;
  for (int i = 0; i < 3; i++)
    how.stdio[i].kind = TIDE_STDIO_PIPE;
  CHECK_EQ(tideR_process_spawn(rt, &how, &process, wires, &culprit), UV_EAGAIN);
  CHECK(process == NULL && culprit == NULL);
  for (int i = 0; i < 3; i++)
    CHECK(wires[i] == NULL);
  no_fork = false;
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  after = dup(0); /* libuv may have opened one for itself */
  CHECK(after <= fd + 1);
  close(after);
}

TEST(a_leader_keeps_its_number_until_it_is_closed) {
  tideR_process *process = start(rt, "sleep 1000 & exit 3", true);
  int pid = process->pid;
  CHECK(poll_until_ended(rt, process));
  CHECK_EQ(process->code, 3);
  CHECK(is_there(pid));
  CHECK(tideR__group_runs(pid));
  CHECK_EQ(tideR_process_kill(process, SIGTERM), UV_ESRCH);
  tideR_handle_close(&process->handle);
  CHECK(!is_there(pid));
  for (int i = 0; i < 1000 && tideR__group_runs(pid); i++)
    uv_sleep(1);
  CHECK(!tideR__group_runs(pid));
  CHECK_EQ(tideR_process_kill_all(process, SIGKILL), UV_ESRCH);
  tideR_handle_release(&process->handle);
}

TEST(the_rest_of_a_group_is_asked_to_end_after_its_leader) {
  tideR_process *process = start(rt, "sleep 1000 & exit 3", true);
  CHECK(poll_until_ended(rt, process));
  CHECK(tideR_process_is_left(process)); /* reaps it */
  CHECK(!is_there(process->pid));
  CHECK_EQ(tideR_process_kill_all(process, SIGTERM), 0);
  for (int i = 0; i < 1000 && tideR_process_is_left(process); i++)
    uv_sleep(1);
  CHECK(!tideR_process_is_left(process));
  CHECK_EQ(tideR_process_kill_all(process, SIGTERM), UV_ESRCH);
  tideR_handle_release(&process->handle);
}

TEST(a_child_of_a_fork_neither_kills_nor_reaps) {
  tideR_process *process = start(rt, "exec sleep 1000", true);
  int status, pid = fork();
  if (pid == 0) {
    CHECK_EQ(tideR_process_kill(process, SIGKILL), UV_ECANCELED);
    CHECK_EQ(tideR_process_kill_all(process, SIGKILL), UV_ECANCELED);
    tideR_handle_release(&process->handle);
    tideR_runtime_free(rt, NULL, NULL);
    _exit(test_failures > 0);
  }
  waitpid(pid, &status, 0);
  CHECK_EQ(status, 0);
  CHECK(!tideR_process_ended(process));
  CHECK_EQ(tideR_process_kill(process, 0), 0);
  tideR_handle_release(&process->handle);
}

TEST(a_runtime_ends_with_its_children) {
  tideR_runtime *own = runtime_new();
  tideR_process *process = start(own, "trap '' TERM; sleep 1000", true);
  int pid = process->pid;
  tideR_handle_release(&process->handle); /* it may be dying by then */
  runtime_free(own);
  CHECK(!is_there(pid));
}
