/*
 * udpsend.c: sending datagrams.
 *
 * One that cannot be sent at once is copied and is libuv's; who sent it waits
 * for that one.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Its owners are libuv and the task that waits for it, or was woken. What tasks
 * of an ended runtime have left there goes with the socket. */
typedef struct tideR_sending {
  uv_udp_send_t request;
  struct tideR_sending *next, **link;
  tideR_udp *udp;
  tideR_waitq sender;
  unsigned owners;
  int status;
  size_t size;
  char bytes[];
} sending;

static void free_sending(sending *it) {
  *it->link = it->next;
  if (it->next != NULL)
    it->next->link = it->link;
  else
    it->udp->last_sending = it->link;
  free(it);
}

static void drop_sending(sending *it) {
  if (--it->owners == 0)
    free_sending(it);
}

static sending *sending_of(const tideR_task *task) {
  return CONTAINER(task->wait, sending, sender.wait);
}

/* The datagram is libuv's: it is sent all the same. */
static bool abort_sending(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  sending *it = sending_of(task);
  tideR_waitq_abort(rt, task, why);
  drop_sending(it);
  return true;
}

static void forfeit_sending(tideR_runtime *rt, tideR_task *task) {
  (void)rt;
  drop_sending(sending_of(task));
}

static const tideR_waitkind sends = {"send", abort_sending, forfeit_sending};

static sending *new_sending(tideR_udp *udp, size_t size) {
  sending *it = malloc(sizeof *it + size);
  if (it == NULL)
    return NULL;
  tideR_waitq_init(&it->sender, &sends);
  it->udp = udp;
  it->owners = 1;
  it->size = size;
  it->next = NULL;
  it->link = udp->last_sending;
  *it->link = it;
  udp->last_sending = &it->next;
  return it;
}

static void count_sent(tideR_udp *udp, size_t size) {
  udp->sent++;
  udp->bytes_sent += size;
}

/* Where nobody waits for it any more, a failure is told to the next. */
static void on_sent(uv_udp_send_t *request, int status) {
  sending *it = CONTAINER(request, sending, request);
  tideR_udp *udp = it->udp;
  udp->in_flight--;
  udp->unsent -= it->size;
  if (status == 0)
    count_sent(udp, it->size);
  if (!udp->handle.closed) { /* else they were woken */
    it->status = status;
    if (tideR_waitq_wake(udp->handle.rt, &it->sender) == NULL && status < 0)
      tideR__udp_fail(udp, status);
    tideR__udp_count_alive(udp);
  }
  drop_sending(it);
}

/* What an earlier datagram came to is told once, and this one is not sent. */
static int take_failure(tideR_udp *udp) {
  int err = udp->failure;
  if (err == 0 || err == UV_ENOMEM || err == UV_ENOBUFS)
    return 0; /* or it is for who receives */
  udp->failure = 0;
  return err;
}

static int check_sending(tideR_udp *udp, size_t size) {
  if (udp->handle.closed)
    return UV_ECANCELED;
  return size > TIDE_DATAGRAM ? UV_EMSGSIZE : take_failure(udp);
}

int tideR_udp_try_send(tideR_udp *udp, const char *bytes, size_t size,
                       const struct sockaddr *to) {
  int err = tideR__permit(udp->handle.rt, "send");
  uv_buf_t buf;
  if (err == 0)
    err = check_sending(udp, size);
  if (err < 0)
    return err;
  buf = uv_buf_init((char *)bytes, (unsigned)size);
  err = uv_udp_try_send(&udp->uv, &buf, 1, to);
  if (err < 0)
    return err;
  count_sent(udp, size);
  return 0;
}

int tideR_udp_send(tideR_runtime *rt, tideR_task *task, tideR_udp *udp,
                   const char *bytes, size_t size, const struct sockaddr *to) {
  sending *it = new_sending(udp, size);
  uv_buf_t buf;
  int err;
  if (it == NULL)
    return UV_ENOMEM;
  if (size > 0)
    memcpy(it->bytes, bytes, size);
  buf = uv_buf_init(it->bytes, (unsigned)size);
  err = uv_udp_send(&it->request, &udp->uv, &buf, 1, to, on_sent);
  if (err < 0) {
    drop_sending(it);
    return err;
  }
  it->owners++;
  udp->in_flight++;
  udp->unsent += size;
  tideR_waitq_park(rt, task, &it->sender);
  tideR__udp_count_alive(udp);
  return 0;
}

tideR_wait *tideR_udp_failed(tideR_udp *udp, int err) {
  sending *it = new_sending(udp, 0);
  if (it == NULL)
    return NULL;
  it->status = err;
  return &it->sender.wait;
}

int tideR_udp_sent(tideR_task *task) {
  sending *it;
  int status;
  if (task->wait == NULL || task->wait->kind != &sends)
    return 0;
  it = sending_of(task);
  status = it->status;
  task->wait = NULL;
  drop_sending(it);
  return status;
}

/* ---- the end ---- */

/* Who waits is woken now: there may be no runtime when libuv tells. */
void tideR__udp_stop_sending(tideR_udp *udp) {
  for (sending *it = udp->sendings; it != NULL; it = it->next)
    if (it->sender.head != NULL) {
      it->status = UV_ECANCELED;
      tideR_waitq_wake(udp->handle.rt, &it->sender);
    }
}

void tideR__udp_forget_sendings(tideR_udp *udp) {
  while (udp->sendings != NULL)
    free_sending(udp->sendings);
}
