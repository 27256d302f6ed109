/*
 * dns.c: what names stand for, and what addresses are called.
 *
 * The system's resolver blocks, for seconds where a server does not answer, so
 * threads of libuv's pool ask it. Two at a time do for a runtime: the pool has
 * four, and the rest is for files. More wait here in the order of coming, where
 * one that is given up can leave without ever having begun. One that a thread
 * is at cannot be stopped: it is left to itself, and what it finds is dropped.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define AT_A_TIME 2

struct tideR_lookup {
  union {
    uv_req_t any;
    uv_getaddrinfo_t info;
    uv_getnameinfo_t name;
  } uv;
  enum { NEW, QUEUED, RUNNING, OVER } state;
  bool is_name;
  bool left; /* nobody wants what it finds */
  int status;
  unsigned owners;
  tideR_runtime *rt;               /* whose list it is in: */
  tideR_lookup *next, **link;      /* ... while it is queued or runs */
  tideR_runtime *keeper;           /* whose records stay until it is over */
  tideR_waitq waiter;              /* at most one */
  struct sockaddr_storage address; /* of which a name is wanted; else: */
  struct addrinfo hints;
  const char *host, *service; /* in `text`, or NULL */
  char text[];
};

/* ---- lists ---- */

static void push(tideR_runtime *rt, tideR_lookups *list, tideR_lookup *lookup) {
  lookup->rt = rt;
  lookup->next = NULL;
  lookup->link = list->head != NULL ? list->end : &list->head;
  *lookup->link = lookup;
  list->end = &lookup->next;
  list->count++;
}

static void take_out(tideR_lookups *list, tideR_lookup *lookup) {
  *lookup->link = lookup->next;
  if (lookup->next != NULL)
    lookup->next->link = lookup->link;
  else
    list->end = lookup->link;
  list->count--;
  lookup->rt = NULL;
}

/* ---- life ---- */

static void drop(tideR_lookup *lookup) {
  if (--lookup->owners > 0)
    return;
  if (!lookup->is_name)
    uv_freeaddrinfo(lookup->uv.info.addrinfo);
  free(lookup);
}

static void decide(tideR_lookup *lookup, int status) {
  lookup->state = OVER;
  lookup->status = status;
}

static bool abort_lookup(tideR_runtime *rt, tideR_task *task, tideR_status why);

static tideR_lookup *lookup_new(bool is_name, size_t size) {
  static const tideR_waitkind info = {"getaddrinfo", abort_lookup, NULL};
  static const tideR_waitkind name = {"getnameinfo", abort_lookup, NULL};
  tideR_lookup *lookup = calloc(1, sizeof *lookup + size);
  if (lookup == NULL)
    return NULL;
  lookup->is_name = is_name;
  lookup->owners = 1;
  tideR_waitq_init(&lookup->waiter, is_name ? &name : &info);
  return lookup;
}

static size_t text_size(const char *text) {
  return text != NULL ? strlen(text) + 1 : 0;
}

int tideR_lookup_info(tideR_lookup **out, const char *host, const char *service,
                      const struct addrinfo *hints) {
  size_t length = text_size(host), more = text_size(service);
  tideR_lookup *lookup = *out = lookup_new(false, length + more);
  if (lookup == NULL)
    return UV_ENOMEM;
  lookup->hints = *hints;
  if (host != NULL)
    lookup->host = memcpy(lookup->text, host, length);
  if (service != NULL)
    lookup->service = memcpy(lookup->text + length, service, more);
  return 0;
}

int tideR_lookup_name(tideR_lookup **out, const struct sockaddr *address) {
  tideR_lookup *lookup = *out = lookup_new(true, 0);
  if (lookup == NULL)
    return UV_ENOMEM;
  memcpy(&lookup->address, address,
         address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                        : sizeof(struct sockaddr_in));
  return 0;
}

/* ---- asking ---- */

static void start_next(tideR_runtime *rt);

/* Its place is free once it is over, also if nobody has waited for that. */
static void finish(tideR_lookup *lookup, int status) {
  tideR_runtime *rt = lookup->rt, *keeper = lookup->keeper;
  decide(lookup, lookup->left ? UV_ECANCELED : status);
  if (lookup->left && !lookup->is_name) {
    uv_freeaddrinfo(lookup->uv.info.addrinfo);
    lookup->uv.info.addrinfo = NULL;
  }
  if (rt != NULL) {
    take_out(&rt->asked, lookup);
    tideR_waitq_wake_all(rt, &lookup->waiter);
    start_next(rt);
  }
  drop(lookup);
  if (keeper != NULL)
    tideR__handle_closed(keeper); /* it may be the last of an ended runtime */
}

static void on_info(uv_getaddrinfo_t *request, int status,
                    struct addrinfo *found) {
  (void)found; /* is in the request, too */
  finish(CONTAINER(request, tideR_lookup, uv.info), status);
}

static void on_name(uv_getnameinfo_t *request, int status, const char *host,
                    const char *service) {
  (void)host;
  (void)service;
  finish(CONTAINER(request, tideR_lookup, uv.name), status);
}

static int ask(tideR_runtime *rt, tideR_lookup *lookup) {
  int err = tideR__permit(rt, "resolve");
  if (err < 0)
    return err;
  if (tideR_loop_forked(rt)) /* it drops its parent's loop */
    return UV_ECANCELED;
  if (lookup->is_name)
    return uv_getnameinfo(rt->uv, &lookup->uv.name, on_name,
                          (const struct sockaddr *)&lookup->address, 0);
  err = uv_getaddrinfo(rt->uv, &lookup->uv.info, on_info, lookup->host,
                       lookup->service, &lookup->hints);
  return err == UV_EINVAL ? UV_EAI_NONAME : err; /* in no letters of names */
}

/* Or it is over at once. */
static void start(tideR_runtime *rt, tideR_lookup *lookup) {
  int err = ask(rt, lookup);
  if (err < 0) {
    decide(lookup, err);
    return;
  }
  lookup->state = RUNNING;
  lookup->keeper = rt;
  lookup->owners++;
  tideR__handle_opened(rt);
  push(rt, &rt->asked, lookup);
}

static void start_next(tideR_runtime *rt) {
  while (rt->asking.head != NULL && rt->asked.count < AT_A_TIME) {
    tideR_lookup *lookup = rt->asking.head;
    take_out(&rt->asking, lookup);
    start(rt, lookup);
    if (lookup->state == OVER)
      tideR_waitq_wake_all(rt, &lookup->waiter);
  }
}

bool tideR_lookup_begin(tideR_runtime *rt, tideR_lookup *lookup) {
  if (lookup->state == NEW &&
      (rt->asked.count < AT_A_TIME || tideR_loop_forked(rt))) {
    start(rt, lookup);
  } else if (lookup->state == NEW) {
    lookup->state = QUEUED;
    push(rt, &rt->asking, lookup);
  }
  return lookup->state == OVER;
}

void tideR_lookup_park(tideR_runtime *rt, tideR_task *task,
                       tideR_lookup *lookup) {
  tideR_waitq_park(rt, task, &lookup->waiter);
}

/* ---- leaving ---- */

/* A thread may not have begun yet: then libuv's queue is the shorter for it.
 * The lock that is asked for here may have been another thread's at a fork. */
static void cancel(const tideR_runtime *rt, tideR_lookup *lookup) {
  if (!lookup->left && !tideR_loop_forked(rt))
    uv_cancel(&lookup->uv.any);
  lookup->left = true;
}

static void leave(tideR_lookup *lookup) {
  if (lookup->state == QUEUED) {
    take_out(&lookup->rt->asking, lookup);
    decide(lookup, UV_ECANCELED);
  } else if (lookup->state == RUNNING && lookup->rt != NULL) {
    cancel(lookup->rt, lookup);
  }
}

static bool abort_lookup(tideR_runtime *rt, tideR_task *task,
                         tideR_status why) {
  tideR_lookup *lookup = CONTAINER(task->wait, tideR_lookup, waiter.wait);
  tideR_waitq_abort(rt, task, why);
  leave(lookup);
  return true;
}

void tideR_lookup_release(tideR_lookup *lookup) {
  leave(lookup);
  drop(lookup);
}

/* ---- what was found ---- */

int tideR_lookup_status(const tideR_lookup *lookup) {
  return lookup->status;
}

const struct addrinfo *tideR_lookup_addresses(const tideR_lookup *lookup) {
  return lookup->uv.info.addrinfo;
}

const char *tideR_lookup_host(const tideR_lookup *lookup) {
  return lookup->uv.name.host;
}

const char *tideR_lookup_service(const tideR_lookup *lookup) {
  return lookup->uv.name.service;
}

/* ---- the end ---- */

/* In the child of a fork its callback never comes. A host may run its loop
 * there: that one's memory stays, in case. */
static void forget(tideR_runtime *rt, tideR_lookup *lookup) {
  lookup->keeper = NULL;
  tideR__handle_closed(rt);
  if (!rt->is_borrowed)
    drop(lookup);
}

void tideR__lookups_end(tideR_runtime *rt) {
  bool forked = tideR_loop_forked(rt);
  while (rt->asking.head != NULL) {
    tideR_lookup *lookup = rt->asking.head;
    tideR_waitq_init(&lookup->waiter, lookup->waiter.wait.kind);
    leave(lookup);
  }
  while (rt->asked.head != NULL) {
    tideR_lookup *lookup = rt->asked.head;
    tideR_waitq_init(&lookup->waiter, lookup->waiter.wait.kind);
    take_out(&rt->asked, lookup);
    cancel(rt, lookup);
    if (forked)
      forget(rt, lookup);
  }
}
