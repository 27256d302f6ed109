/*
 * watchdir.c: what changes in a directory, or of a file.
 *
 * libuv watches what a path led to. When that is removed, or another takes its
 * place, nothing more would come, so after whatever may mean this the path is
 * looked at: the other one is watched from then on, and if there is none, that
 * is told and is the end. Inodes are used again at once by some file systems,
 * so that the time of birth is a part of what is compared.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "watchdir.h"

/* The system keeps so many events for a loop that does not poll, on Linux, and
 * libuv does not tell what it then drops. Who gets as many in one go cannot
 * know. */
#define QUEUED_MOST 16384
#define PATH_MOST 4096 /* bytes of a path that a system takes */

static tideR_watchdir *watch_of(const tideR_handle *handle) {
  return CONTAINER(handle, tideR_watchdir, handle);
}

/* ---- what is kept ---- */

static uint32_t hash_of(const char *name, size_t length) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  return hash;
}

static tideR_change **bucket_of(tideR_watchdir *watch, uint32_t hash) {
  return &watch->buckets[hash % TIDE_WATCH_BUCKETS];
}

static tideR_change *find(tideR_watchdir *watch, const char *name,
                          size_t length, uint32_t hash) {
  tideR_change *it = *bucket_of(watch, hash);
  while (it != NULL && (it->hash != hash || it->length != length ||
                        memcmp(it->name, name, length) != 0))
    it = it->cousin;
  return it;
}

static void drop_first(tideR_watchdir *watch) {
  tideR_change *first = watch->first, **it = bucket_of(watch, first->hash);
  while (*it != first)
    it = &(*it)->cousin;
  *it = first->cousin;
  watch->first = first->next;
  if (watch->first == NULL)
    watch->last = &watch->first;
  watch->count--;
  free(first);
}

static void drop_all(tideR_watchdir *watch) {
  while (watch->first != NULL)
    drop_first(watch);
}

/* Who reads has to look for itself: what was kept does not help it any more. */
static void lose(tideR_watchdir *watch) {
  watch->dropped += watch->count;
  drop_all(watch);
  watch->lost = true;
}

static void add(tideR_watchdir *watch, tideR_changekind kind, const char *name,
                size_t length) {
  uint32_t hash = hash_of(name, length);
  tideR_change *it = find(watch, name, length, hash);
  tideR_change **bucket = bucket_of(watch, hash);
  if (it != NULL) {
    if (kind > it->kind)
      it->kind = kind;
    return;
  }
  if (watch->count < watch->limit)
    it = malloc(sizeof *it + length);
  if (it == NULL) {
    watch->dropped++;
    lose(watch);
    return;
  }
  *it = (tideR_change){NULL, *bucket, kind, hash, length};
  memcpy(it->name, name, length);
  *bucket = it;
  *watch->last = it;
  watch->last = &it->next;
  watch->count++;
}

/* ---- what is watched ---- */

static int look(const char *path, tideR_watched *out) {
  uv_fs_t request;
  int err = uv_fs_stat(NULL, &request, path, NULL);
  if (err == 0) {
    out->device = request.statbuf.st_dev;
    out->inode = request.statbuf.st_ino;
    out->born = request.statbuf.st_birthtim;
    out->is_directory = (request.statbuf.st_mode & 0170000) == 0040000;
  }
  uv_fs_req_cleanup(&request);
  return err;
}

static bool is_same(const tideR_watched *one, const tideR_watched *other) {
  return one->device == other->device && one->inode == other->inode &&
         one->born.tv_sec == other->born.tv_sec &&
         one->born.tv_nsec == other->born.tv_nsec;
}

static void on_event(uv_fs_event_t *uv, const char *name, int events,
                     int status);

/* What is watched has to be what is known, or its end would not be noticed:
 * another one may come between. */
static int begin(tideR_watchdir *watch) {
  for (int tries = 0; tries < 8; tries++) {
    tideR_watched before;
    int err = look(watch->path, &before);
    if (err == 0)
      err = uv_fs_event_start(&watch->uv, on_event, watch->path, 0);
    if (err == 0)
      err = look(watch->path, &watch->watched);
    if (err == 0 && is_same(&before, &watch->watched))
      return 0;
    uv_fs_event_stop(&watch->uv);
    if (err < 0)
      return err;
  }
  return UV_EAGAIN;
}

static void count_alive(tideR_watchdir *watch) {
  if (watch->waiter.head != NULL)
    uv_ref((uv_handle_t *)&watch->uv);
  else
    uv_unref((uv_handle_t *)&watch->uv);
}

static bool is_over(const tideR_watchdir *watch) {
  return watch->gone || watch->failure != 0 || watch->end != 0;
}

static bool has_news(const tideR_watchdir *watch) {
  return watch->lost || watch->first != NULL || is_over(watch);
}

static void tell_task(tideR_watchdir *watch) {
  if (has_news(watch))
    tideR_waitq_wake(watch->handle.rt, &watch->waiter);
  count_alive(watch);
}

static void finish(tideR_watchdir *watch, int err) {
  uv_fs_event_stop(&watch->uv);
  if (err == UV_ENOENT || err == UV_ENOTDIR)
    watch->gone = true;
  else
    watch->failure = err;
}

/* True: it is something else that is watched from now on. What has been
 * removed and made again may look the same: then it is `dubious`. */
static bool renew(tideR_watchdir *watch, bool dubious) {
  tideR_watched before = watch->watched, now;
  int err = look(watch->path, &now);
  if (err == 0 && !dubious && is_same(&before, &now))
    return false;
  uv_fs_event_stop(&watch->uv);
  if (err == 0)
    err = begin(watch);
  if (err < 0) {
    finish(watch, err);
    return false;
  }
  return !is_same(&before, &watch->watched);
}

/* ---- libuv's side ---- */

static size_t base_of(const char *path, size_t length) {
  while (length > 0 && path[length - 1] != '/'
#ifdef _WIN32
         && path[length - 1] != '\\'
#endif
  )
    length--;
  return length;
}

/* Linux has one for all paths that lead to the same, and libuv calls it by the
 * path of whoever was first. */
static bool is_itself(const tideR_watchdir *watch, const char *name,
                      size_t length) {
  char path[PATH_MOST];
  size_t size = sizeof path, base;
  if (uv_fs_event_getpath((uv_fs_event_t *)&watch->uv, path, &size) < 0)
    return false;
  base = base_of(path, size);
  return length == size - base && memcmp(path + base, name, length) == 0;
}

/* As many events in one go as the system keeps: some may be lost, then and from
 * then on. */
static bool is_flood(tideR_runtime *rt) {
  uint64_t now = uv_now(rt->uv); /* one go may take several polls */
  if (now > rt->watch_time + 2)
    rt->watch_events = 0;
  rt->watch_time = now;
  rt->watch_events++;
  return rt->watch_events >= QUEUED_MOST && rt->watch_events % 1024 == 0;
}

static void note(tideR_watchdir *watch, const char *name, int events) {
  size_t length = name != NULL ? strlen(name) : 0;
  bool itself = name == NULL || is_itself(watch, name, length);
  bool dubious = itself && events & UV_RENAME;
  bool other = (dubious || (itself && !watch->watched.is_directory)) &&
               renew(watch, dubious);
  if (is_over(watch))
    return;
  if (itself && name != NULL) {
    name = watch->path + watch->base;
    length = watch->length - watch->base;
  }
  if (other && watch->watched.is_directory)
    lose(watch); /* what has happened there before it was watched */
  else if (name == NULL)
    lose(watch);
  else if (other || events & UV_RENAME)
    add(watch, TIDE_CHANGE_NAME, name, length);
  else
    add(watch, TIDE_CHANGE_CONTENT, name, length);
}

static void lose_others(tideR_runtime *rt, const tideR_handlekind *kind) {
  for (tideR_handle *it = rt->open; it != NULL; it = it->next)
    if (it->kind == kind && !it->closed && !is_over(watch_of(it))) {
      lose(watch_of(it));
      tell_task(watch_of(it));
    }
}

static void on_event(uv_fs_event_t *uv, const char *name, int events,
                     int status) {
  tideR_watchdir *watch = uv->data;
  tideR_runtime *rt = watch->handle.rt;
  if (watch->handle.closed || is_over(watch))
    return;
  if (status >= 0)
    note(watch, name, events);
  else if (renew(watch, false))
    lose(watch);
  else if (!is_over(watch))
    finish(watch, status);
  if (is_flood(rt))
    lose_others(rt, watch->handle.kind);
  tell_task(watch);
}

/* ---- who waits ---- */

static bool abort_watching(tideR_runtime *rt, tideR_task *task,
                           tideR_status why) {
  tideR_watchdir *watch = CONTAINER(task->wait, tideR_watchdir, waiter.wait);
  watch->busy = false;
  tideR_waitq_abort(rt, task, why);
  count_alive(watch);
  return true;
}

/* Who was woken will not come: nothing was taken yet. */
static void forfeit_watching(tideR_runtime *rt, tideR_task *task) {
  tideR_watchdir *watch = CONTAINER(task->wait, tideR_watchdir, waiter.wait);
  (void)rt;
  watch->busy = false;
  if (watch->handle.closed)
    drop_all(watch);
}

bool tideR_watchdir_ready(tideR_watchdir *watch) {
  watch->held = false; /* if it still was, the last one has failed */
  return has_news(watch) || watch->handle.closed;
}

tideR_wait *tideR_watchdir_promise(tideR_watchdir *watch) {
  watch->busy = true;
  return &watch->waiter.wait;
}

void tideR_watchdir_park(tideR_runtime *rt, tideR_task *task,
                         tideR_watchdir *watch) {
  tideR_waitq_park(rt, task, &watch->waiter);
  watch->busy = true;
  count_alive(watch);
}

int tideR_watchdir_see(tideR_watchdir *watch, tideR_changekind *kind,
                       const char **name, size_t *length) {
  watch->busy = false;
  watch->held = true;
  *name = NULL;
  *length = 0;
  *kind = TIDE_CHANGE_NONE;
  if (watch->lost) {
    *kind = TIDE_CHANGE_LOST;
  } else if (watch->first != NULL) {
    *kind = watch->first->kind;
    *name = watch->first->name;
    *length = watch->first->length;
  } else if (watch->gone && !watch->handle.closed) {
    *kind = TIDE_CHANGE_GONE;
  } else if (watch->handle.closed) {
    return UV_ECANCELED;
  } else {
    return watch->failure != 0 ? watch->failure : watch->end;
  }
  return 0;
}

void tideR_watchdir_take(tideR_watchdir *watch) {
  watch->held = false;
  if (watch->handle.rt != NULL)
    watch->handle.rt->watch_events = 0; /* others ran: that go is over */
  if (watch->lost) {
    watch->lost = false;
  } else if (watch->first != NULL) {
    drop_first(watch);
  } else if (watch->gone) {
    watch->gone = false;
    watch->end = UV_ENOENT;
  } else if (watch->failure != 0) {
    watch->end = watch->failure;
    watch->failure = 0;
  }
  if (watch->handle.closed) {
    watch->lost = false;
    drop_all(watch);
  }
}

/* ---- life ---- */

static void on_close(uv_handle_t *handle) {
  tideR_watchdir *watch = handle->data;
  tideR__handle_done(&watch->handle);
}

/* Who was woken still gets what it was woken for. */
static void close_watch(tideR_handle *handle) {
  tideR_watchdir *watch = watch_of(handle);
  bool promised = watch->busy && watch->waiter.head == NULL;
  if (!promised && !watch->held) {
    watch->lost = false;
    drop_all(watch);
  }
  tideR_waitq_wake_all(handle->rt, &watch->waiter);
  uv_close((uv_handle_t *)&watch->uv, on_close);
}

static bool is_active(const tideR_handle *handle) {
  const uv_handle_t *uv = (const uv_handle_t *)&watch_of(handle)->uv;
  return uv_is_active(uv) && uv_has_ref(uv);
}

static void free_watch(tideR_handle *handle) {
  tideR_watchdir *watch = watch_of(handle);
  drop_all(watch);
  free(watch);
}

/* So that its last name is one. */
static size_t without_slash(const char *path, size_t length) {
  while (length > 1 && path[length - 1] == '/')
    length--;
  return length;
}

static tideR_watchdir *make(tideR_runtime *rt, const char *path, size_t limit) {
  static const tideR_handlekind kind = {"watch", close_watch, is_active, NULL,
                                        free_watch};
  static const tideR_waitkind waiting = {"watch", abort_watching,
                                         forfeit_watching};
  size_t length = without_slash(path, strlen(path));
  tideR_watchdir *watch = calloc(1, sizeof *watch + length + 1);
  if (watch == NULL)
    return NULL;
  memcpy(watch->path, path, length);
  watch->length = length;
  watch->base = base_of(watch->path, length);
  watch->limit = limit;
  watch->last = &watch->first;
  tideR__handle_init(rt, &watch->handle, &kind);
  tideR_waitq_init(&watch->waiter, &waiting);
  return watch;
}

int tideR_watchdir_new(tideR_runtime *rt, const char *path, size_t limit,
                       tideR_watchdir **out) {
  tideR_watchdir *watch = NULL;
  int err = tideR__permit(rt, "watch");
  *out = NULL;
  if (err < 0)
    return err;
  watch = make(rt, path, limit);
  if (watch == NULL)
    return UV_ENOMEM;
  err = uv_fs_event_init(rt->uv, &watch->uv);
  if (err < 0) {
    tideR__handle_shut(&watch->handle);
    tideR__handle_drop(&watch->handle);
    return err;
  }
  watch->uv.data = watch;
  tideR__handle_keep(&watch->handle);
  err = begin(watch);
  if (err < 0) {
    tideR_handle_release(&watch->handle);
    return err;
  }
  count_alive(watch);
  *out = watch;
  return 0;
}
