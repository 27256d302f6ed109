/*
 * test_dns.c: lookups that take their time, are given up, and are under way at
 * a runtime's end.
 *
 * libuv calls the resolver below and not the system's: a program's own function
 * wins. It says what it began with, and waits at a gate.
 */
#include <netdb.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "gate.h"
#include "host_loop.h"

/* ---- a resolver ---- */

static atomic_int results; /* that nobody has freed */

#define PUBLIC __attribute__((visibility("default")))

/* Two addresses; none of "no...". */
PUBLIC int getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out) {
  struct addrinfo *two = calloc(2, sizeof *two);
  (void)service;
  (void)hints;
  pass_gate(host);
  *out = NULL;
  if (strncmp(host, "no", 2) == 0) {
    free(two);
    return EAI_NONAME;
  }
  two[0].ai_next = &two[1];
  results++;
  *out = two;
  return 0;
}

PUBLIC void freeaddrinfo(struct addrinfo *two) {
  results--;
  free(two);
}

PUBLIC int getnameinfo(const struct sockaddr *address, socklen_t size,
                       char *host, socklen_t room, char *service,
                       socklen_t more, int flags) {
  (void)address;
  (void)size;
  (void)flags;
  pass_gate("name");
  snprintf(host, room, "moon");
  snprintf(service, more, "tide");
  return 0;
}

/* ---- who asks it ---- */

static tideR_lookup *lookup_of(const char *host) {
  static const struct addrinfo hints = {0};
  tideR_lookup *lookup;
  CHECK_EQ(tideR_lookup_info(&lookup, host, "80", &hints), 0);
  return lookup;
}

static tideR_lookup *name_lookup(void) {
  struct sockaddr_in address;
  tideR_lookup *lookup;
  uv_ip4_addr("127.0.0.1", 80, &address);
  CHECK_EQ(tideR_lookup_name(&lookup, (struct sockaddr *)&address), 0);
  return lookup;
}

static int count(const struct addrinfo *it) {
  int n = 0;
  for (; it != NULL; it = it->ai_next)
    n++;
  return n;
}

/* "a:2" if it found two, "a:EAI_NONAME", "a!" if it was cancelled. */
static void say_found(actor *me) {
  const tideR_lookup *lookup = me->arg;
  int status = tideR_lookup_status(lookup);
  if (me->raised)
    say("%s!", me->name);
  else if (status < 0)
    say("%s:%s", me->name, uv_err_name(status));
  else
    say("%s:%d", me->name, count(tideR_lookup_addresses(lookup)));
}

static void looks_up(actor *me) {
  BEGIN
  if (!tideR_lookup_begin(me->rt, me->arg))
    AWAIT(tideR_lookup_park(me->rt, me->task, me->arg));
  say_found(me);
  tideR_lookup_release(me->arg);
  END
}

static actor *look_up(tideR_runtime *rt, const char *name) {
  return spawn_arg(rt, looks_up, lookup_of(name), name);
}

static void names_it(actor *me) {
  BEGIN
  if (!tideR_lookup_begin(me->rt, me->arg))
    AWAIT(tideR_lookup_park(me->rt, me->task, me->arg));
  say("%s %s", tideR_lookup_host(me->arg), tideR_lookup_service(me->arg));
  tideR_lookup_release(me->arg);
  END
}

/* Two are at the gate, in any order. */
static void occupy(tideR_runtime *rt) {
  shut_gate();
  look_up(rt, "a");
  look_up(rt, "b");
  step(rt);
  await_begun(2);
  begun[0] = '\0';
}

/* ---- they are looked up ---- */

TEST(what_was_found_is_there) {
  shut_gate();
  open_gate(3);
  look_up(rt, "a");
  step(rt);
  CHECK(tideR_loop_alive(rt));
  run(rt);
  CHECK_SAID("a:2");
  CHECK(!tideR_loop_alive(rt));
  look_up(rt, "none");
  run(rt);
  CHECK_SAID("none:EAI_NONAME");
  spawn_arg(rt, names_it, name_lookup(), "");
  run(rt);
  CHECK_SAID("moon tide");
  CHECK_EQ(results, 0);
}

TEST(two_run_at_a_time_and_the_others_in_the_order_of_coming) {
  static const char *const names[] = {"c", "d", "e", "f", "g"};
  occupy(rt);
  for (int i = 0; i < 5; i++)
    look_up(rt, names[i]);
  step(rt);
  for (int i = 0; i < 5; i++) {
    open_gate(1);
    poll_until_begun(rt, 3 + i);
  }
  open_gate(2);
  run(rt);
  CHECK_STR(begun, "cdefg");
  CHECK_EQ(most, 2);
  CHECK_EQ(results, 0);
  CHECK_EQ(strlen(said), strlen("a:2 b:2 c:2 d:2 e:2 f:2 g:2"));
  said[0] = '\0';
}

/* What is in no letters of names libuv refuses itself. */
TEST(what_is_refused_is_over_at_once_and_holds_nobody_up) {
  shut_gate();
  look_up(rt, "\xff");
  run(rt);
  CHECK_SAID("\xff:EAI_NONAME");
  occupy(rt);
  look_up(rt, "\xff");
  look_up(rt, "\xff\xff");
  look_up(rt, "c");
  step(rt);
  open_gate(3);
  run(rt);
  CHECK_STR(begun, "c");
  CHECK(strstr(said, "\xff:EAI_NONAME") != NULL);
  CHECK(strstr(said, "\xff\xff:EAI_NONAME") != NULL);
  CHECK(strstr(said, "c:2") != NULL);
  said[0] = '\0';
  CHECK_EQ(results, 0);
}

TEST(slow_ones_keep_no_other_work_waiting) {
  occupy(rt);
  for (int i = 0; i < 20; i++)
    look_up(rt, "c");
  step(rt);
  work_meanwhile(rt);
  CHECK_EQ(begun_by_now(), 2);
  CHECK_SAID("");
  open_gate(22);
  run(rt);
  CHECK_EQ(begun_by_now(), 22);
  CHECK_EQ(most, 2);
  CHECK_EQ(results, 0);
  said[0] = '\0';
}

/* ---- they are given up ---- */

TEST(one_that_waits_never_begins) {
  actor *c, *d;
  occupy(rt);
  c = look_up(rt, "c");
  look_up(rt, "d");
  d = look_up(rt, "e");
  look_up(rt, "f");
  step(rt);
  tideR_task_cancel(rt, c->task);
  tideR_task_cancel(rt, d->task);
  step(rt);
  CHECK_SAID("c! e!");
  open_gate(4);
  run(rt);
  CHECK_EQ(begun_by_now(), 4);
  CHECK(strchr(begun, 'c') == NULL && strchr(begun, 'e') == NULL);
  said[0] = '\0';
  CHECK_EQ(results, 0);
}

TEST(one_that_runs_is_left_at_once_and_its_place_when_it_is_over) {
  actor *a, *b;
  shut_gate();
  a = look_up(rt, "a");
  b = look_up(rt, "b");
  look_up(rt, "c");
  step(rt);
  await_begun(2);
  tideR_task_cancel(rt, a->task);
  tideR_task_cancel(rt, b->task);
  step(rt);
  CHECK_SAID("a! b!");
  CHECK_EQ(begun_by_now(), 2);
  open_gate(1);
  poll_until_begun(rt, 3);
  CHECK_EQ(most, 2);
  open_gate(2);
  run(rt);
  CHECK_SAID("c:2");
  CHECK_EQ(results, 0);
}

/* libuv has the third, too, while the pool's places are another runtime's. */
TEST(one_that_no_thread_has_begun_is_taken_back) {
  tideR_runtime *other = runtime_new();
  actor *c;
  occupy(other);
  c = look_up(rt, "c");
  step(rt);
  tideR_task_cancel(rt, c->task);
  run(rt);
  CHECK_SAID("c!");
  open_gate(2);
  run(other);
  CHECK_EQ(begun_by_now(), 2);
  said[0] = '\0';
  runtime_free(other);
  CHECK_EQ(results, 0);
}

TEST(one_that_is_over_is_delivered_though_cancelled_since) {
  actor *a;
  shut_gate();
  a = look_up(rt, "a");
  step(rt);
  await_begun(1);
  open_gate(1);
  while (a->task->state == TIDE_TASK_PARKED)
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
  tideR_task_cancel(rt, a->task);
  run(rt);
  CHECK_SAID("a:2");
  CHECK_EQ(results, 0);
}

TEST(many_of_which_every_third_is_given_up_leave_nothing) {
  actor *all[100];
  shut_gate();
  for (int i = 0; i < 100; i++)
    all[i] = look_up(rt, "x");
  step(rt);
  for (int i = 0; i < 100; i += 3)
    tideR_task_cancel(rt, all[i]->task);
  open_gate(100);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK(most <= 2);
  CHECK_EQ(results, 0);
  said[0] = '\0';
}

TEST(one_that_is_released_is_given_up) {
  tideR_lookup *all[3];
  shut_gate();
  for (int i = 0; i < 3; i++) {
    all[i] = lookup_of("x");
    CHECK(!tideR_lookup_begin(rt, all[i]));
  }
  await_begun(2);
  for (int i = 0; i < 3; i++)
    tideR_lookup_release(all[i]);
  tideR_lookup_release(lookup_of("y"));
  open_gate(2);
  run(rt);
  CHECK_EQ(begun_by_now(), 2);
  CHECK_EQ(results, 0);
}

static void keeps_it(actor *me) {
  BEGIN
  if (!tideR_lookup_begin(me->rt, me->arg))
    AWAIT(tideR_lookup_park(me->rt, me->task, me->arg));
  say_found(me);
  END
}

TEST(what_nobody_waits_for_is_freed_when_it_is_over_though_it_is_kept) {
  tideR_lookup *kept = lookup_of("a");
  actor *a = spawn_arg(rt, keeps_it, kept, "a");
  shut_gate();
  step(rt);
  await_begun(1);
  tideR_task_cancel(rt, a->task);
  step(rt);
  CHECK_SAID("a!");
  open_gate(1);
  run(rt);
  CHECK_EQ(results, 0);
  CHECK_EQ(tideR_lookup_status(kept), UV_ECANCELED);
  CHECK(tideR_lookup_addresses(kept) == NULL);
  tideR_lookup_release(kept);
}

/* ---- the end ---- */

TEST(an_end_waits_for_those_that_run_and_drops_the_others) {
  tideR_runtime *mine = runtime_new();
  tideR_lookup *kept[3], *parked;
  uv_thread_t opener;
  shut_gate();
  for (int i = 0; i < 3; i++) {
    kept[i] = lookup_of("x");
    CHECK(!tideR_lookup_begin(mine, kept[i]));
  }
  parked = look_up(mine, "c")->arg;
  step(mine);
  await_begun(2);
  uv_thread_create(&opener, open_later, NULL);
  runtime_free(mine);
  uv_thread_join(&opener);
  CHECK_EQ(begun_by_now(), 2);
  CHECK_SAID("");
  for (int i = 0; i < 3; i++)
    tideR_lookup_release(kept[i]);
  tideR_lookup_release(parked);
  CHECK_EQ(results, 0);
}

/* The lookup is released by the test: its actor has gone with its runtime. */
static actor *begin_on_host(tideR_runtime *mine) {
  actor *a;
  shut_gate();
  a = look_up(mine, "a");
  uv_run(&host, UV_RUN_NOWAIT);
  await_begun(1);
  return a;
}

TEST(on_a_hosts_loop_the_end_is_later) {
  tideR_runtime *mine = borrow();
  tideR_lookup *kept = begin_on_host(mine)->arg;
  CHECK(tideR_loop_alive(mine));
  free_on(mine);
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK(!is_freed);
  open_gate(1);
  run_host();
  CHECK(is_freed);
  tideR_lookup_release(kept);
  CHECK_SAID("");
  CHECK_EQ(results, 0);
  end_host();
}

TEST(it_keeps_a_hosts_loop_running) {
  tideR_runtime *mine = borrow();
  begin_on_host(mine);
  open_gate(1);
  run_host();
  CHECK_SAID("a:2");
  give_back(mine);
}

TEST(given_up_it_keeps_a_hosts_runtime_until_it_is_over) {
  tideR_runtime *mine = borrow();
  actor *a = begin_on_host(mine);
  tideR_task_cancel(mine, a->task);
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK_SAID("a!");
  free_on(mine);
  open_gate(1);
  run_host();
  CHECK(is_freed);
  CHECK_EQ(results, 0);
  end_host();
}

static int in_child(void (*body)(tideR_runtime *rt, tideR_lookup *kept),
                    tideR_runtime *rt, tideR_lookup *kept) {
  int status = -1;
  pid_t child;
  fflush(stdout);
  child = fork();
  if (child == 0) {
    alarm(TEST_SECONDS); /* it hangs, or not */
    body(rt, kept);
    _exit(test_failures > 0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  return status;
}

static void end_own(tideR_runtime *rt, tideR_lookup *kept) {
  tideR_lookup *late = lookup_of("late");
  CHECK(tideR_lookup_begin(rt, late));
  CHECK_EQ(tideR_lookup_status(late), UV_ECANCELED);
  tideR_lookup_release(late);
  runtime_free(rt);
  tideR_lookup_release(kept);
}

static void end_borrowed(tideR_runtime *rt, tideR_lookup *kept) {
  CHECK_EQ(uv_loop_fork(&host), 0);
  free_on(rt);
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK(is_freed);
  tideR_lookup_release(kept);
}

TEST(an_end_in_the_child_of_a_fork_waits_for_none) {
  tideR_lookup *kept = lookup_of("kept");
  shut_gate();
  CHECK(!tideR_lookup_begin(rt, kept));
  look_up(rt, "b");
  look_up(rt, "c");
  step(rt);
  await_begun(2);
  CHECK_EQ(in_child(end_own, rt, kept), 0);
  open_gate(3);
  run(rt);
  CHECK_SAID("b:2 c:2");
  tideR_lookup_release(kept);
  CHECK_EQ(results, 0);
}

TEST(so_it_does_on_a_hosts_loop) {
  tideR_runtime *mine = borrow();
  actor *a = begin_on_host(mine);
  CHECK_EQ(in_child(end_borrowed, mine, a->arg), 0);
  open_gate(1);
  run_host();
  CHECK_SAID("a:2");
  CHECK_EQ(results, 0);
  give_back(mine);
}
