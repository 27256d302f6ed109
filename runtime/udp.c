/*
 * udp.c: datagrams.
 *
 * Each that came lies in memory of its own until it is taken. One task at a
 * time receives; what it is to have is decided in the callback, and its own
 * until it runs. Once somebody has received, receiving goes on while nobody
 * waits, until so much is unread that it pauses and the kernel keeps, or drops,
 * what comes. It keeps the loop alive only while a task waits for it.
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

static tideR_udp *udp_of(const tideR_handle *handle) {
  return CONTAINER(handle, tideR_udp, handle);
}

static size_t size_of(const struct sockaddr *name) {
  return name->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                     : sizeof(struct sockaddr_in);
}

/* Of what nobody waits for nothing will come. */
void tideR__udp_count_alive(tideR_udp *udp) {
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
  tideR__udp_count_alive(udp);
}

static void pause_receiving(tideR_udp *udp) {
  if (udp->receiving)
    uv_udp_recv_stop(&udp->uv);
  udp->receiving = false;
}

/* Told to who next receives. An error that stays would come again and again:
 * it pauses until then. */
void tideR__udp_fail(tideR_udp *udp, int err) {
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
  bool had_none = n == UV_ENOBUFS && room->base == NULL; /* or the system's */
  (void)flags;
  if (had_none) { /* it would be asked for again at once */
    pause_receiving(udp);
    tideR__udp_fail(udp, UV_ENOMEM);
  } else if (n < 0) {
    tideR__udp_fail(udp, (int)n);
  } else if (from != NULL) { /* else there was nothing */
    if (keep(udp, room->base, (size_t)n, from)) {
      settle(udp);
    } else {
      udp->dropped++;
      tideR__udp_fail(udp, UV_ENOMEM);
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
  tideR__udp_count_alive(udp);
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
  tideR__udp_count_alive(udp);
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

/* A datagram that who receives will take is left to it. */
static void close_udp(tideR_handle *handle) {
  tideR_udp *udp = udp_of(handle);
  udp->receiving = false;
  if (!udp->held && !(udp->busy && udp->decided))
    clear(udp);
  settle(udp);
  tideR__udp_stop_sending(udp);
  tideR__descriptors_closing(handle->rt, (uv_handle_t *)&udp->uv);
  uv_close((uv_handle_t *)&udp->uv, on_close);
}

static bool is_active(const tideR_handle *handle) {
  const uv_handle_t *uv = (uv_handle_t *)&udp_of(handle)->uv;
  return uv_is_active(uv) && uv_has_ref(uv);
}

static void free_udp(tideR_handle *handle) {
  tideR_udp *udp = udp_of(handle);
  clear(udp);
  tideR__udp_forget_sendings(udp);
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
  udp->last_sending = &udp->sendings;
  udp->limit = SIZE_MAX;
  tideR__udp_count_alive(udp);
  *out = udp;
  return 0;
}
