/*
 * udp.c: datagrams.
 *
 * Each that came lies in memory of its own until it is taken. One task at a
 * time receives; what it is to have is decided in the callback, and its own
 * until it runs. Once somebody has received, receiving goes on while nobody
 * waits, until so much is unread that it pauses and the kernel keeps, or drops,
 * what comes. It keeps the loop alive only while a task waits for it.
 *
 * A datagram that cannot be sent at once is copied and is libuv's; who sent it
 * waits for that one.
 */
#include <stdlib.h>
#include <string.h>

#include "socket.h"

#define PADDING 64 /* what a datagram counts for besides its bytes */

typedef union address {
  struct sockaddr any;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
} address;

typedef struct tideR_datagram {
  struct tideR_datagram *next;
  size_t size;
  address from;
  char bytes[];
} datagram;

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

static tideR_udp *udp_of(const tideR_handle *handle) {
  return CONTAINER(handle, tideR_udp, handle);
}

static size_t size_of(const struct sockaddr *name) {
  return name->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                     : sizeof(struct sockaddr_in);
}

/* Of what nobody waits for nothing will come. */
static void count_alive(tideR_udp *udp) {
  if (udp->receiver.head != NULL || udp->in_flight > 0)
    uv_ref((uv_handle_t *)&udp->uv);
  else
    uv_unref((uv_handle_t *)&udp->uv);
}

/* ---- what has come ---- */

static void drop_first(tideR_udp *udp) {
  datagram *first = udp->first;
  udp->first = first->next;
  if (udp->first == NULL)
    udp->last = &udp->first;
  udp->unread -= first->size;
  udp->count--;
  free(first);
}

static void clear(tideR_udp *udp) {
  while (udp->first != NULL)
    drop_first(udp);
  udp->failure = 0;
}

static bool keep(tideR_udp *udp, const char *bytes, size_t size,
                 const struct sockaddr *from) {
  datagram *it = malloc(sizeof *it + size);
  if (it == NULL)
    return false;
  it->next = NULL;
  it->size = size;
  memset(&it->from, 0, sizeof it->from);
  if (from->sa_family == AF_INET || from->sa_family == AF_INET6)
    memcpy(&it->from, from, size_of(from));
  if (size > 0)
    memcpy(it->bytes, bytes, size);
  *udp->last = it;
  udp->last = &it->next;
  udp->unread += size;
  udp->count++;
  udp->received++;
  udp->bytes_received += size;
  return true;
}

/* Empty ones take memory, too. */
static size_t weight(const tideR_udp *udp) {
  return udp->unread + udp->count * PADDING;
}

/* ---- receiving ---- */

static bool decide(tideR_udp *udp) {
  if (udp->handle.closed)
    udp->status = UV_ECANCELED;
  else if (udp->failure != 0)
    udp->status = udp->failure;
  else if (udp->first != NULL)
    udp->status = 0;
  else
    return false;
  udp->failure = 0;
  return udp->decided = true;
}

static void settle(tideR_udp *udp) {
  if (udp->busy && !udp->decided && decide(udp))
    tideR_waitq_wake(udp->handle.rt, &udp->receiver);
  count_alive(udp);
}

static void pause_receiving(tideR_udp *udp) {
  if (udp->receiving)
    uv_udp_recv_stop(&udp->uv);
  udp->receiving = false;
}

/* Told to who next receives. An error that stays would come again and again:
 * it pauses until then. */
static void fail(tideR_udp *udp, int err) {
  udp->failure = err;
  settle(udp);
  if (udp->failure != 0)
    pause_receiving(udp);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room) {
  const tideR_udp *udp = handle->data;
  char *bytes = tideR__chunk_scratch(udp->handle.rt);
  (void)wanted;
  *room = uv_buf_init(bytes, bytes != NULL ? TIDE_DATAGRAM : 0);
}

/* UV_UDP_PARTIAL is never set: no datagram has more than 65,535 bytes, and
 * TIDE_DATAGRAM has room for that. */
static void on_received(uv_udp_t *uv, ssize_t n, const uv_buf_t *room,
                        const struct sockaddr *from, unsigned flags) {
  tideR_udp *udp = uv->data;
  (void)flags;
  if (n == UV_ENOBUFS) { /* it would be asked for again at once */
    pause_receiving(udp);
    fail(udp, UV_ENOMEM);
  } else if (n < 0) {
    fail(udp, (int)n);
  } else if (from != NULL) { /* else there was nothing */
    if (keep(udp, room->base, (size_t)n, from)) {
      settle(udp);
    } else {
      udp->dropped++;
      fail(udp, UV_ENOMEM);
    }
    if (weight(udp) > udp->limit)
      pause_receiving(udp);
  }
}

static int receive(tideR_udp *udp) {
  int err = 0;
  if (!udp->receiving && !udp->handle.closed)
    err = uv_udp_recv_start(&udp->uv, on_room, on_received);
  udp->receiving = err == 0;
  return err;
}

/* ---- who receives ---- */

static tideR_udp *received_by(const tideR_task *task) {
  return CONTAINER(task->wait, tideR_udp, receiver.wait);
}

static bool abort_receiving(tideR_runtime *rt, tideR_task *task,
                            tideR_status why) {
  tideR_udp *udp = received_by(task);
  udp->busy = false;
  tideR_waitq_abort(rt, task, why);
  count_alive(udp);
  return true;
}

/* What was decided is told again. */
static void undo(tideR_udp *udp) {
  if (udp->status != UV_ECANCELED && udp->failure == 0)
    udp->failure = udp->status;
}

/* Who was woken will not come: what it was to have is the next one's. */
static void forfeit_receiving(tideR_runtime *rt, tideR_task *task) {
  tideR_udp *udp = received_by(task);
  (void)rt;
  udp->busy = udp->decided = false;
  undo(udp);
  if (udp->handle.closed)
    clear(udp);
}

bool tideR_udp_ready(tideR_udp *udp) {
  udp->held = false; /* if it still was, the last one has failed */
  udp->decided = false;
  return decide(udp);
}

tideR_wait *tideR_udp_promise(tideR_udp *udp) {
  udp->busy = true;
  return &udp->receiver.wait;
}

bool tideR_udp_park(tideR_runtime *rt, tideR_task *task, tideR_udp *udp) {
  udp->status = receive(udp);
  if (udp->status < 0) {
    udp->decided = true;
    return false;
  }
  udp->busy = true;
  tideR_waitq_park(rt, task, &udp->receiver);
  count_alive(udp);
  return true;
}

int tideR_udp_see(tideR_udp *udp, const char **bytes, size_t *size,
                  struct sockaddr_storage *from) {
  udp->busy = udp->decided = false;
  udp->held = true;
  if (udp->status < 0) {
    undo(udp); /* until it is taken */
  } else {
    *bytes = udp->first->bytes;
    *size = udp->first->size;
    memset(from, 0, sizeof *from);
    memcpy(from, &udp->first->from, sizeof udp->first->from);
  }
  return udp->status;
}

void tideR_udp_take(tideR_udp *udp) {
  bool paused = !udp->receiving && udp->received > 0;
  udp->held = false;
  if (udp->handle.closed) {
    clear(udp);
    return;
  }
  if (udp->status == 0)
    drop_first(udp);
  else
    udp->failure = 0;
  if (paused && weight(udp) <= udp->limit / 2)
    receive(udp); /* if it cannot, who next receives is told */
}

/* ---- sending ---- */

static void free_sending(sending *it) {
  *it->link = it->next;
  if (it->next != NULL)
    it->next->link = it->link;
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
  it->next = udp->sendings;
  it->link = &udp->sendings;
  if (it->next != NULL)
    it->next->link = &it->next;
  udp->sendings = it;
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
      fail(udp, status);
    count_alive(udp);
  }
  drop_sending(it);
}

/* What an earlier datagram came to is told once, and this one is not sent. */
static int take_failure(tideR_udp *udp) {
  int err = udp->failure;
  if (err == 0 || err == UV_ENOMEM) /* that is for who receives */
    return 0;
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
  count_alive(udp);
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

/* ---- names ---- */

int tideR_udp_bind(tideR_udp *udp, const struct sockaddr *at, bool reuseaddr,
                   bool ipv6only) {
  unsigned flags = reuseaddr ? UV_UDP_REUSEADDR : 0;
  int err = tideR__permit(udp->handle.rt, "bind");
  if (err < 0)
    return err;
  if (udp->handle.closed)
    return UV_ECANCELED;
  if (ipv6only && at->sa_family == AF_INET6)
    flags |= UV_UDP_IPV6ONLY;
  err = uv_udp_bind(&udp->uv, at, flags);
  if (err == 0)
    memcpy(&udp->bound, at, size_of(at));
  return err;
}

int tideR_udp_name(const tideR_udp *udp, bool of_peer,
                   struct sockaddr_storage *name, int *size) {
  if (udp->handle.closed)
    return UV_ECANCELED;
  if (of_peer)
    return uv_udp_getpeername(&udp->uv, (struct sockaddr *)name, size);
  return uv_udp_getsockname(&udp->uv, (struct sockaddr *)name, size);
}

static uint16_t *port_of(struct sockaddr_storage *name) {
  if (name->ss_family == AF_INET6)
    return &((struct sockaddr_in6 *)name)->sin6_port;
  return &((struct sockaddr_in *)name)->sin_port;
}

bool tideR_udp_bound(const tideR_udp *udp) {
  struct sockaddr_storage name = {0};
  int size = sizeof name;
  if (tideR_udp_name(udp, false, &name, &size) < 0)
    return false;
  return (name.ss_family != AF_INET && name.ss_family != AF_INET6) ||
         *port_of(&name) != 0;
}

/* Linux takes a port that it had chosen away again when a socket is
 * disconnected: those who were told of it would send in vain. */
static int regain_port(tideR_udp *udp, struct sockaddr_storage *before) {
#ifndef _WIN32
  struct sockaddr_storage at = udp->bound;
  uv_os_fd_t fd;
  if (tideR_udp_bound(udp))
    return 0;
  if (at.ss_family == AF_UNSPEC)
    at.ss_family = before->ss_family;
  *port_of(&at) = *port_of(before);
  if (uv_fileno((uv_handle_t *)&udp->uv, &fd) == 0 &&
      bind(fd, (struct sockaddr *)&at,
           (socklen_t)size_of((struct sockaddr *)&at)) < 0)
    return tideR__errno();
#else
  (void)udp, (void)before;
#endif
  return 0;
}

static int disconnect(tideR_udp *udp) {
  struct sockaddr_storage before = {0};
  int size = sizeof before;
  int err = tideR_udp_name(udp, false, &before, &size);
  if (err == 0)
    err = uv_udp_connect(&udp->uv, NULL);
  return err < 0 ? err : regain_port(udp, &before);
}

int tideR_udp_connect(tideR_udp *udp, const struct sockaddr *to) {
  int err = tideR__permit(udp->handle.rt, "connect");
  if (err < 0)
    return err;
  if (udp->handle.closed)
    return UV_ECANCELED;
  return to != NULL ? uv_udp_connect(&udp->uv, to) : disconnect(udp);
}

/* ---- life ---- */

static void on_close(uv_handle_t *handle) {
  tideR_udp *udp = handle->data;
  tideR__handle_done(&udp->handle);
}

/* A datagram that who receives will take is left to it. Those who send are
 * woken now: there may be no runtime when libuv tells. */
static void close_udp(tideR_handle *handle) {
  tideR_udp *udp = udp_of(handle);
  udp->receiving = false;
  if (!udp->held && !(udp->busy && udp->decided))
    clear(udp);
  settle(udp);
  for (sending *it = udp->sendings; it != NULL; it = it->next)
    if (it->sender.head != NULL) {
      it->status = UV_ECANCELED;
      tideR_waitq_wake(handle->rt, &it->sender);
    }
  uv_close((uv_handle_t *)&udp->uv, on_close);
}

static bool is_active(const tideR_handle *handle) {
  const uv_handle_t *uv = (uv_handle_t *)&udp_of(handle)->uv;
  return uv_is_active(uv) && uv_has_ref(uv);
}

static void free_udp(tideR_handle *handle) {
  tideR_udp *udp = udp_of(handle);
  clear(udp);
  while (udp->sendings != NULL)
    free_sending(udp->sendings);
  free(udp);
}

int tideR_udp_new(tideR_runtime *rt, int family, tideR_udp **out) {
  static const tideR_handlekind kind = {"udp", close_udp, is_active, NULL,
                                        free_udp};
  static const tideR_waitkind receives = {"recv", abort_receiving,
                                          forfeit_receiving};
  tideR_udp *udp = calloc(1, sizeof *udp);
  int err = udp != NULL ? 0 : UV_ENOMEM;
  *out = NULL;
  if (err == 0)
    err = tideR__permit(rt, "udp");
  if (err == 0)
    err = uv_udp_init_ex(rt->uv, &udp->uv, (unsigned)family);
  if (err < 0) {
    free(udp);
    return err;
  }
  tideR__handle_init(rt, &udp->handle, &kind);
  tideR__handle_keep(&udp->handle);
  tideR_waitq_init(&udp->receiver, &receives);
  udp->uv.data = udp;
  udp->last = &udp->first;
  udp->limit = SIZE_MAX;
  count_alive(udp);
  *out = udp;
  return 0;
}
