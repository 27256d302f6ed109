/* test_udp.c: datagrams that who was woken for them did not come for. */
#include "test.h"

#include "handle.h"

static void receiver(actor *me) {
  tideR_udp *udp = me->arg;
  const char *bytes;
  size_t size;
  struct sockaddr_storage from;
  int status;
  BEGIN
  if (!tideR_udp_ready(udp))
    AWAIT(CHECK(tideR_udp_park(me->rt, me->task, udp)));
  if (me->raised) {
    say("%s!", me->name);
    return;
  }
  status = tideR_udp_see(udp, &bytes, &size, &from);
  if (status < 0)
    say("%s:%s", me->name, uv_err_name(status));
  else
    say("%s:%.*s", me->name, (int)size, bytes);
  tideR_udp_take(udp);
  END
}

static tideR_udp *open_udp(tideR_runtime *rt, struct sockaddr_in *at) {
  tideR_udp *udp;
  int size = sizeof(struct sockaddr_storage);
  struct sockaddr_storage name;
  uv_ip4_addr("127.0.0.1", 0, at);
  CHECK_EQ(tideR_udp_new(rt, AF_UNSPEC, &udp), 0);
  CHECK_EQ(tideR_udp_bind(udp, (struct sockaddr *)at, false, false), 0);
  CHECK_EQ(tideR_udp_name(udp, false, &name, &size), 0);
  memcpy(at, &name, sizeof *at);
  return udp;
}

static void post(tideR_udp *udp, const struct sockaddr_in *to,
                 const char *text) {
  CHECK_EQ(
      tideR_udp_try_send(udp, text, strlen(text), (const struct sockaddr *)to),
      0);
}

/* The receiver was woken, and has not run. */
static actor *woken(tideR_runtime *rt, tideR_udp *udp) {
  actor *a = spawn_arg(rt, receiver, udp, "a");
  step(rt);
  CHECK(udp->busy);
  return a;
}

TEST(a_datagram_is_the_next_ones_if_who_was_woken_dies) {
  struct sockaddr_in at;
  tideR_udp *udp = open_udp(rt, &at);
  actor *a = woken(rt, udp);
  post(udp, &at, "one");
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  CHECK(udp->decided);
  dies(rt, a);
  CHECK(!udp->busy);
  spawn_arg(rt, receiver, udp, "b");
  run(rt);
  CHECK_SAID("b:one");
  tideR_handle_release(&udp->handle);
}

TEST(an_error_is_the_next_ones_if_who_was_woken_dies) {
  struct sockaddr_in at, gone_at;
  tideR_udp *udp = open_udp(rt, &at), *gone = open_udp(rt, &gone_at);
  actor *a;
  tideR_handle_release(&gone->handle);
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  CHECK_EQ(tideR_udp_connect(udp, (struct sockaddr *)&gone_at), 0);
  a = woken(rt, udp);
  post(udp, NULL, "one");
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  CHECK(udp->decided);
  CHECK_EQ(udp->status, UV_ECONNREFUSED);
  dies(rt, a);
  spawn_arg(rt, receiver, udp, "b");
  run(rt);
  CHECK_SAID("b:ECONNREFUSED");
  tideR_handle_release(&udp->handle);
}

TEST(what_is_left_of_a_closed_one_is_freed_if_who_was_woken_dies) {
  struct sockaddr_in at;
  tideR_udp *udp = open_udp(rt, &at);
  actor *a = woken(rt, udp);
  post(udp, &at, "one");
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  tideR_handle_close(&udp->handle);
  CHECK_EQ(udp->count, 1);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(udp->count, 0);
  tideR_handle_release(&udp->handle);
}

TEST(who_gave_up_waiting_has_nothing_to_pass_on) {
  struct sockaddr_in at;
  tideR_udp *udp = open_udp(rt, &at);
  actor *a = woken(rt, udp);
  CHECK(uv_loop_alive(tideR_runtime_uv(rt)));
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  run(rt);
  CHECK_SAID("a!");
  CHECK(!udp->busy);
  CHECK(!uv_loop_alive(tideR_runtime_uv(rt)));
  CHECK_EQ(stats(rt).handles, 1);
  post(udp, &at, "one");
  spawn_arg(rt, receiver, udp, "b");
  run(rt);
  CHECK_SAID("b:one");
  tideR_handle_release(&udp->handle);
}

TEST(an_outcome_is_freed_if_who_sent_dies) {
  struct sockaddr_in at;
  tideR_udp *udp = open_udp(rt, &at);
  tideR_task task = {0};
  task.wait = tideR_udp_failed(udp, UV_EMSGSIZE);
  CHECK(udp->sendings != NULL);
  task.wait->kind->forfeit(rt, &task);
  CHECK(udp->sendings == NULL);
  task.wait = tideR_udp_failed(udp, UV_EMSGSIZE);
  CHECK_EQ(tideR_udp_sent(&task), UV_EMSGSIZE);
  CHECK_EQ(tideR_udp_sent(&task), 0);
  CHECK(udp->sendings == NULL);
  tideR_udp_failed(udp, UV_EMSGSIZE); /* nobody comes */
  tideR_handle_release(&udp->handle);
}
