/* test_server.c: who accepts which connection, also without descriptors. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "handle.h"
#include "test.h"

static tideR_server *server;
static unsigned troubles; /* that were told */

static int count_descriptors(void) {
  DIR *dir = opendir("/dev/fd");
  int n = 0;
  CHECK(dir != NULL);
  while (dir != NULL && readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
}

static void count_trouble(tideR_runtime *rt, tideR_call *call) {
  (void)call;
  if (tideR_server_trouble(rt) != 0)
    troubles++;
}

/* On the machine's clock, with a server. */
static tideR_runtime *begin(void) {
  static const tideR_listening options = {.backlog = 64, .reuseaddr = true};
  struct sockaddr_in at;
  tideR_runtime *rt = runtime_on(NULL);
  ((world *)tideR_runtime_data(rt))->on_call = count_trouble;
  troubles = 0;
  uv_ip4_addr("127.0.0.1", 0, &at);
  CHECK_EQ(tideR_server_tcp(rt, (struct sockaddr *)&at, &options, &server), 0);
  return rt;
}

static void end(tideR_runtime *rt) {
  tideR_handle_release(tideR_server_handle(server));
  runtime_free(rt);
}

/* Connected, which the kernel sees to. */
static int connect_one(void) {
  struct sockaddr_storage name;
  int size = sizeof name, fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(tideR_server_name(server, &name, &size), 0);
  CHECK_EQ(connect(fd, (struct sockaddr *)&name, (socklen_t)size), 0);
  return fd;
}

/* What the peer has said or done: "e" is its end, "-" nothing yet. */
static char heard(int fd) {
  char letter;
  ssize_t n = recv(fd, &letter, 1, MSG_DONTWAIT);
  if (n < 0)
    return errno == EAGAIN ? '-' : 'e';
  return n > 0 ? letter : 'e';
}

static char heard_soon(int fd) {
  struct pollfd it = {.fd = fd, .events = POLLIN};
  poll(&it, 1, 1000);
  return heard(fd);
}

/* Accepts me->n times, and tells the peer by which letter it was. */
static void acceptor(actor *me) {
  tideR_wire *wire;
  int err;
  BEGIN
  while (me->n-- > 0) {
    if (!tideR_server_ready(server)) {
      AWAIT(tideR_server_park(me->rt, me->task, server));
      if (me->raised) {
        say("%s!", me->name);
        return;
      }
    } else {
      tideR_server_promise(server);
    }
    err = tideR_server_take(server, &wire);
    if (err < 0) {
      say("%s:%s", me->name, uv_err_name(err));
      return;
    }
    uv_buf_t buf = uv_buf_init((char *)me->name, 1);
    CHECK_EQ(tideR_stream_write(&wire->stream, &buf, 1), 0);
    say("%s", me->name);
    tideR_handle_release(&wire->stream.handle);
  }
  END
}

static actor *accepts(tideR_runtime *rt, const char *name, long times) {
  actor *me = spawn_named(rt, acceptor, name);
  me->n = times;
  return me;
}

/* Until it is done, for a second at most. */
static void finish(tideR_runtime *rt, const actor *a) {
  for (int i = 0; i < 1000 && !a->done; i++) {
    step(rt);
    if (!a->done)
      uv_sleep(1);
  }
  CHECK(a->done);
}

static void steps(tideR_runtime *rt, int n) {
  for (; n > 0; n--)
    step(rt);
}

/* Polls, but nobody runs: who was woken is yet to. */
static void poll_only(tideR_runtime *rt) {
  for (int i = 0; i < 10; i++)
    uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
}

/* ---- order ---- */

TEST(the_first_who_accepts_has_the_first_who_came) {
  tideR_runtime *own = begin();
  int fds[3];
  accepts(own, "a", 1);
  accepts(own, "b", 1);
  actor *c = accepts(own, "c", 1);
  step(own);
  for (int i = 0; i < 3; i++)
    fds[i] = connect_one();
  finish(own, c);
  CHECK_SAID("a b c");
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(heard_soon(fds[i]), 'a' + i);
    close(fds[i]);
  }
  end(own);
}

TEST(who_came_waits_for_who_accepts) {
  tideR_runtime *own = begin();
  int first = connect_one(), second = connect_one();
  steps(own, 5);
  CHECK_EQ(heard(first), '-');
  finish(own, accepts(own, "a", 2));
  CHECK_EQ(heard_soon(first), 'a');
  CHECK_EQ(heard_soon(second), 'a');
  CHECK_EQ(heard_soon(first), 'e');
  close(first);
  close(second);
  end(own);
}

/* ---- who does not come for it ---- */

TEST(what_a_dead_acceptor_was_woken_with_is_the_next_ones) {
  tideR_runtime *own = begin();
  actor *a = accepts(own, "a", 1), *b = accepts(own, "b", 1);
  int fd;
  step(own);
  fd = connect_one();
  poll_only(own);
  tideR_task_give_up(own, a->task);
  finish(own, b);
  CHECK_SAID("given up b");
  CHECK_EQ(heard_soon(fd), 'b');
  close(fd);
  end(own);
}

TEST(what_the_last_acceptor_was_woken_with_waits_for_another) {
  tideR_runtime *own = begin();
  actor *a = accepts(own, "a", 1);
  int fd;
  step(own);
  fd = connect_one();
  poll_only(own);
  tideR_task_give_up(own, a->task);
  steps(own, 3);
  CHECK_SAID("given up");
  CHECK_EQ(heard(fd), '-');
  finish(own, accepts(own, "b", 1));
  CHECK_EQ(heard_soon(fd), 'b');
  close(fd);
  end(own);
}

TEST(a_cancelled_acceptor_takes_none_unless_it_was_woken) {
  tideR_runtime *own = begin();
  actor *a = accepts(own, "a", 1);
  int fd;
  step(own);
  CHECK_EQ(tideR_task_cancel(own, a->task), 0);
  finish(own, a);
  CHECK_SAID("a!");
  a = accepts(own, "a", 1);
  step(own);
  fd = connect_one();
  poll_only(own);
  CHECK_EQ(tideR_task_cancel(own, a->task), 0);
  finish(own, a);
  CHECK_SAID("a");
  CHECK_EQ(heard_soon(fd), 'a');
  close(fd);
  end(own);
}

/* ---- the end ---- */

TEST(a_close_wakes_who_accepts_and_who_was_woken_has_its_own) {
  tideR_runtime *own = begin();
  int fd;
  accepts(own, "a", 1);
  actor *b = accepts(own, "b", 1);
  step(own);
  fd = connect_one();
  poll_only(own);
  tideR_handle_close(tideR_server_handle(server));
  finish(own, b);
  CHECK_SAID("a b:ECANCELED");
  CHECK_EQ(heard_soon(fd), 'a');
  close(fd);
  end(own);
}

TEST(a_close_lets_go_of_those_that_nobody_took) {
  tideR_runtime *own = begin();
  actor *a = accepts(own, "a", 1);
  int queued, taken;
  step(own);
  taken = connect_one(); /* by one who then does not come for it */
  poll_only(own);
  tideR_task_give_up(own, a->task);
  steps(own, 3);
  queued = connect_one(); /* in the kernel yet */
  tideR_handle_close(tideR_server_handle(server));
  CHECK_EQ(heard_soon(taken), 'e');
  CHECK_EQ(heard_soon(queued), 'e');
  CHECK_SAID("given up");
  close(taken);
  close(queued);
  end(own);
}

TEST(what_a_dead_acceptor_had_of_a_closed_server_is_let_go) {
  tideR_runtime *own = begin();
  actor *a = accepts(own, "a", 1);
  int fd;
  step(own);
  fd = connect_one();
  poll_only(own);
  tideR_handle_close(tideR_server_handle(server));
  tideR_task_give_up(own, a->task);
  steps(own, 3);
  CHECK_EQ(heard_soon(fd), 'e'); /* though the server is not released yet */
  CHECK_SAID("given up");
  close(fd);
  end(own);
}

TEST(no_descriptor_is_left_whoever_took_which) {
  int before = count_descriptors();
  for (int taken = 0; taken < 4; taken++) {
    tideR_runtime *own = begin();
    int fds[3];
    if (taken > 0)
      accepts(own, "a", taken);
    step(own);
    for (int i = 0; i < 3; i++)
      fds[i] = connect_one();
    steps(own, taken);
    end(own);
    for (int i = 0; i < 3; i++) {
      CHECK(heard_soon(fds[i]) != '-');
      close(fds[i]);
    }
  }
  CHECK_EQ(count_descriptors(), before);
  said[0] = '\0';
}

/* ---- without descriptors ---- */

/* Valgrind keeps limits itself: it accepts one more and closes that. */
static bool limits_are_kept(void) {
  const char *preloaded = getenv("LD_PRELOAD");
  return preloaded == NULL || strstr(preloaded, "vgpreload") == NULL;
}

static struct rlimit limit;
static int filler[1024], fillers; /* so that there are no gaps */

/* So many can be opened yet. */
static void run_out(int more) {
  struct rlimit less;
  int highest = 1023;
  while (fcntl(highest, F_GETFD) < 0)
    highest--;
  fillers = 0;
  do
    filler[fillers] = dup(0);
  while (filler[fillers++] < highest);
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  less = limit;
  less.rlim_cur = (rlim_t)(filler[fillers - 1] + 1 + more);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &less), 0);
}

static void have_again(void) {
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  while (fillers > 0)
    close(filler[--fillers]);
}

TEST(accepting_pauses_without_descriptors_and_goes_on) {
  if (!limits_are_kept())
    return;
  tideR_runtime *own = begin();
  int fds[3];
  actor *a = accepts(own, "a", 3);
  step(own);
  for (int i = 0; i < 3; i++)
    fds[i] = connect_one();
  run_out(0);
  for (uint64_t until = uv_hrtime() + SECOND / 4; uv_hrtime() < until;) {
    step(own);
    uv_sleep(1);
  }
  CHECK(!a->done);
  CHECK_SAID("");
  CHECK(troubles >= 2 && troubles <= 4); /* one for each pause */
  CHECK_EQ(heard(fds[0]), '-');
  have_again();
  finish(own, a);
  CHECK_SAID("a a a");
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(heard_soon(fds[i]), 'a');
    close(fds[i]);
  }
  end(own);
}

/* One was accepted for somebody who did not come for it; the next one could not
 * be. Who accepts during the pause has that one, and waits for nobody else. */
TEST(what_was_accepted_before_a_pause_can_be_taken_during_it) {
  if (!limits_are_kept())
    return;
  tideR_runtime *own = begin();
  int fd;
  actor *a = accepts(own, "a", 1), *b = accepts(own, "b", 1);
  step(own);
  fd = connect_one();
  run_out(1);
  poll_only(own); /* a is given it; for b there is no descriptor */
  tideR_task_give_up(own, a->task);
  tideR_task_give_up(own, b->task);
  steps(own, 3);
  CHECK_EQ(troubles, 1);
  CHECK_SAID("given up given up");
  actor *c = accepts(own, "c", 1);
  steps(own, 2);
  CHECK(c->done);
  CHECK_SAID("c");
  CHECK_EQ(heard_soon(fd), 'c');
  have_again();
  close(fd);
  end(own);
}

TEST(a_server_can_be_closed_while_it_pauses) {
  if (!limits_are_kept())
    return;
  tideR_runtime *own = begin();
  int fd;
  actor *a = accepts(own, "a", 1);
  step(own);
  fd = connect_one();
  run_out(0);
  steps(own, 5);
  CHECK_EQ(troubles, 1);
  tideR_handle_close(tideR_server_handle(server));
  have_again();
  finish(own, a);
  CHECK_SAID("a:ECANCELED");
  CHECK_EQ(heard_soon(fd), 'e');
  close(fd);
  end(own);
}

/* ---- files ---- */

TEST(the_end_of_the_child_of_a_fork_leaves_the_parents_file) {
  static const tideR_listening options = {.backlog = 64};
  char path[64];
  tideR_runtime *own = runtime_on(NULL);
  int status = -1;
  pid_t child;
  snprintf(path, sizeof path, "/tmp/tide_test_server.%d", (int)getpid());
  CHECK_EQ(tideR_server_unix(own, path, strlen(path), &options, &server), 0);
  fflush(stdout);
  child = fork();
  if (child == 0) {
    alarm(TEST_SECONDS);
    end(own);
    _exit(0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(access(path, F_OK), 0);
  end(own);
  CHECK(access(path, F_OK) < 0);
}
