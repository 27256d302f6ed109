/*
 * remote.c: posts from any thread, through remotes that outlive the runtime.
 *
 * One mailbox for all remotes of a runtime: its list is written under its lock,
 * and taken over as a whole after each poll, so that a post wakes the runtime
 * only if it is the first since then. What was taken over is delivered as one
 * of the calls of a turn. Who lets go of the mailbox last frees it.
 */
#include <stdlib.h>

#include "internal.h"

#define POSTS_A_TURN 256

typedef struct tideR_mailbox {
  uv_mutex_t lock;
  tideR_runtime *rt;          /* NULL: it is closed */
  _Atomic(tideR_post *) head; /* also looked at without the lock */
  tideR_post *tail;           /* if there is a head */
  atomic_uint remotes;        /* unreleased: wakers of the runtime */
  atomic_uint owners;         /* these, and the runtime */
  uv_pid_t pid;
} tideR_mailbox;

struct tideR_remote {
  tideR_mailbox *mailbox;
  atomic_uint count;
};

/* ---- the mailbox ---- */

/* False: another thread had it when this process was forked, and who is not in
 * the child never gives it back. */
static bool lock(tideR_mailbox *mailbox) {
  if (uv_mutex_trylock(&mailbox->lock) == 0)
    return true;
  if (mailbox->pid != uv_os_getpid())
    return false;
  uv_mutex_lock(&mailbox->lock);
  return true;
}

static void unlock(tideR_mailbox *mailbox) {
  uv_mutex_unlock(&mailbox->lock);
}

static tideR_mailbox *mailbox_new(tideR_runtime *rt) {
  tideR_mailbox *mailbox = calloc(1, sizeof *mailbox);
  if (mailbox == NULL)
    return NULL;
  if (uv_mutex_init(&mailbox->lock) < 0) {
    free(mailbox);
    return NULL;
  }
  mailbox->rt = rt;
  mailbox->pid = rt->pid;
  atomic_init(&mailbox->owners, 1);
  return mailbox;
}

/* Not under the lock, which is no more if this was the last one. */
static void drop(tideR_mailbox *mailbox) {
  if (atomic_fetch_sub(&mailbox->owners, 1) > 1)
    return;
  if (lock(mailbox)) {
    unlock(mailbox);
    uv_mutex_destroy(&mailbox->lock);
  }
  free(mailbox);
}

/* Under the lock: once it is closed there may be no handle any more. The child
 * of a fork has its parent's. */
static void wake(tideR_mailbox *mailbox) {
  if (mailbox->rt != NULL && !tideR_loop_forked(mailbox->rt))
    tideR__wakeup(mailbox->rt);
}

/* ---- remotes ---- */

tideR_remote *tideR_remote_new(tideR_runtime *rt) {
  tideR_remote *remote;
  if (rt->mailbox == NULL)
    rt->mailbox = mailbox_new(rt);
  if (rt->mailbox == NULL || rt->mailbox->rt == NULL)
    return NULL;
  remote = malloc(sizeof *remote);
  if (remote == NULL)
    return NULL;
  remote->mailbox = rt->mailbox;
  atomic_init(&remote->count, 1);
  atomic_fetch_add(&rt->mailbox->remotes, 1);
  atomic_fetch_add(&rt->mailbox->owners, 1);
  return remote;
}

tideR_remote *tideR_remote_retain(tideR_remote *remote) {
  atomic_fetch_add(&remote->count, 1);
  return remote;
}

/* The last one is told: the runtime may wait for nothing else. */
void tideR_remote_release(tideR_remote *remote) {
  tideR_mailbox *mailbox;
  if (remote == NULL || atomic_fetch_sub(&remote->count, 1) > 1)
    return;
  mailbox = remote->mailbox;
  free(remote);
  if (atomic_fetch_sub(&mailbox->remotes, 1) == 1 && lock(mailbox)) {
    wake(mailbox);
    unlock(mailbox);
  }
  drop(mailbox);
}

uint32_t tideR__remotes_count(const tideR_runtime *rt) {
  return rt->mailbox != NULL ? atomic_load(&rt->mailbox->remotes) : 0;
}

/* ---- posting ---- */

void tideR_remote_on_post(tideR_runtime *rt, void (*posted)(void *ud),
                          void *ud) {
  bool locked = rt->mailbox != NULL && lock(rt->mailbox);
  rt->posted = posted;
  rt->posted_ud = ud;
  if (locked)
    unlock(rt->mailbox);
}

/* Who takes over leaves no head: the next one is the first again. */
static void append(tideR_mailbox *mailbox, tideR_post *post) {
  tideR_runtime *rt = mailbox->rt;
  if (atomic_load(&mailbox->head) != NULL) {
    mailbox->tail->next = post;
    mailbox->tail = post;
    return;
  }
  mailbox->tail = post;
  atomic_store(&mailbox->head, post);
  wake(mailbox);
  if (rt->posted != NULL)
    rt->posted(rt->posted_ud);
}

int tideR_remote_post(tideR_remote *remote, void (*fn)(void *rt, void *arg),
                      void *arg) {
  tideR_mailbox *mailbox = remote->mailbox;
  tideR_post *post = malloc(sizeof *post);
  bool locked, open;
  if (post == NULL)
    return UV_ENOMEM;
  *post = (tideR_post){NULL, fn, arg};
  locked = lock(mailbox);
  open = locked && mailbox->rt != NULL;
  if (open)
    append(mailbox, post);
  if (locked)
    unlock(mailbox);
  if (open)
    return 0;
  free(post);
  return UV_ECANCELED;
}

/* ---- delivery ---- */

bool tideR__posts_wait(const tideR_runtime *rt) {
  return rt->mailbox != NULL && atomic_load(&rt->mailbox->head) != NULL;
}

/* Behind what was taken over before. */
static void take_over(tideR_runtime *rt, tideR_mailbox *mailbox) {
  tideR_post *head = atomic_exchange(&mailbox->head, NULL);
  if (head == NULL)
    return;
  if (rt->posts == NULL)
    rt->posts = head;
  else
    rt->posts_tail->next = head;
  rt->posts_tail = mailbox->tail;
}

static void queue_delivery(tideR_runtime *rt) {
  if (rt->posts != NULL && rt->delivery.state == TIDE_CALL_FREE)
    tideR__call_queue(rt, &rt->delivery);
}

void tideR__posts_take(tideR_runtime *rt) {
  if (!tideR__posts_wait(rt) || !lock(rt->mailbox))
    return;
  take_over(rt, rt->mailbox);
  unlock(rt->mailbox);
  queue_delivery(rt);
}

static tideR_post *begin_post(tideR_runtime *rt) {
  tideR_post *post = rt->posts;
  rt->posts = post->next;
  post->next = NULL;
  return rt->posting = post;
}

static void end_post(tideR_runtime *rt) {
  free(rt->posting);
  rt->posting = NULL;
}

/* It could not be begun. */
static void put_back(tideR_runtime *rt) {
  tideR_post *post = rt->posting;
  rt->posting = NULL;
  if (rt->posts == NULL)
    rt->posts_tail = post;
  post->next = rt->posts;
  rt->posts = post;
}

/* The record is the runtime's while its hook runs: a longjmp leaves it to
 * tideR__posts_recover. */
void tideR__posts_run(tideR_runtime *rt) {
  bool begun = true;
  for (int n = 0; n < POSTS_A_TURN && rt->posts != NULL && begun; n++) {
    begun = rt->hooks->post(rt, begin_post(rt));
    if (begun)
      end_post(rt);
    else
      put_back(rt);
  }
  queue_delivery(rt);
}

void tideR__posts_recover(tideR_runtime *rt) {
  end_post(rt);
  queue_delivery(rt);
}

/* From here on what is posted is refused, and no thread wakes the runtime. */
static void shut(tideR_runtime *rt, tideR_mailbox *mailbox) {
  if (!lock(mailbox))
    return;
  take_over(rt, mailbox);
  mailbox->rt = NULL;
  unlock(mailbox);
}

void tideR__remotes_end(tideR_runtime *rt) {
  if (rt->mailbox == NULL)
    return;
  shut(rt, rt->mailbox);
  end_post(rt);
  while (rt->posts != NULL) {
    tideR_post post = *begin_post(rt);
    end_post(rt);
    post.fn(NULL, post.arg);
  }
  drop(rt->mailbox);
  rt->mailbox = NULL;
}
