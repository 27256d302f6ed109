/*
 * digest.c: a Lua module in C whose functions await. Written to be copied from.
 *
 *   digest.crc32(text)         its checksum, eight digits; in a thread of
 *                              libuv's pool: tide_work
 *   digest.search(text, bits)  the text with the first number after it that
 *                              gives a checksum whose last `bits` are 0; in a
 *                              thread that can be stopped: tide_await
 *
 * It is not linked with tide: all of tide is in the table that tide_import
 * gives. What an await needs is in a record of its own, a "job", with a copy of
 * the text: a thread must not look into a lua_State.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tide.h>

#if defined(_WIN32)
#define DIGEST_EXPORT __declspec(dllexport)
#else
#define DIGEST_EXPORT __attribute__((visibility("default")))
#endif

static const tide_api *tide;

static uint32_t add_to_crc32(uint32_t crc, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    crc ^= (unsigned char)text[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
  }
  return crc;
}

/* ---- crc32: what a thread of the pool does ---- */

typedef struct sum_job {
  uint32_t crc;
  size_t length;
  char text[];
} sum_job;

static void sum_work(void *arg) {
  sum_job *job = arg;
  job->crc = ~add_to_crc32(UINT32_MAX, job->text, job->length);
}

static int sum_finish(lua_State *L, int status, void *arg) {
  const sum_job *job = arg;
  char hex[9];
  if (status < 0)
    return luaL_error(L, "crc32: no thread takes it (%d)", status);
  snprintf(hex, sizeof hex, "%08" PRIx32, job->crc);
  lua_pushstring(L, hex);
  return 1;
}

static int crc32(lua_State *L) {
  static const tide_work_ops ops = {"digest.crc32", sum_work, sum_finish, free};
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  sum_job *job = malloc(sizeof *job + length);
  if (job == NULL)
    return luaL_error(L, "not enough memory");
  job->length = length;
  memcpy(job->text, text, length);
  return tide->work(L, &ops, job);
}

/* ---- search: a thread that can be told to stop ---- */

/* Of the thread alone: `number`. The rest is the runtime's thread's,
 * `stop` both have, and `posted` is read when the thread has been joined. */
typedef struct search_job {
  tide_waiter *waiter;
  tide_remote *remote;
  pthread_t thread;
  bool runs;   /* the thread is there, and is to be joined */
  bool posted; /* it found a number: a wake is on its way */
  atomic_bool stop;
  uint64_t number;
  uint32_t mask;
  size_t length;
  char text[];
} search_job;

#define DIGITS 20 /* of the greatest number */

/* Writes it from the end of the room on; returns where it begins. */
static char *write_digits(char *end, uint64_t number) {
  do
    *--end = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  return end;
}

static bool found(const search_job *job, uint32_t crc_of_text) {
  char room[DIGITS], *end = room + DIGITS;
  const char *digits = write_digits(end, job->number);
  size_t length = (size_t)(end - digits);
  return (~add_to_crc32(crc_of_text, digits, length) & job->mask) == 0;
}

/* Called from the runtime's loop, or, with rt NULL, when it closes. */
static void search_end(tide_runtime *rt, void *arg) {
  search_job *job = arg;
  (void)rt;
  tide->wake(job->waiter, 0); /* job may be no more */
}

/* There may be no memory for the post: somebody has to end the await all the
 * same. */
static void *search_thread(void *arg) {
  search_job *job = arg;
  uint32_t crc = add_to_crc32(UINT32_MAX, job->text, job->length);
  while (!atomic_load(&job->stop) && !found(job, crc))
    job->number++;
  while (!atomic_load(&job->stop) && !job->posted) {
    job->posted = tide->post(job->remote, search_end, job) == 0;
    if (!job->posted)
      sched_yield();
  }
  return NULL;
}

static int search_start(tide_waiter *waiter, void *arg) {
  search_job *job = arg;
  int err;
  job->waiter = waiter;
  err = pthread_create(&job->thread, NULL, search_thread, job);
  job->runs = err == 0;
  return -err; /* libuv's codes are errno's */
}

static void join(search_job *job) {
  if (job->runs)
    pthread_join(job->thread, NULL);
  job->runs = false;
}

/* It looks at `stop` each time, so this takes no time that counts. What it has
 * posted cannot be called back: then the await ends by that. */
static int search_abort(tide_waiter *waiter, void *arg) {
  search_job *job = arg;
  (void)waiter;
  atomic_store(&job->stop, true);
  join(job);
  return !job->posted;
}

static int search_finish(lua_State *L, int status, void *arg) {
  const search_job *job = arg;
  char room[DIGITS], *end = room + DIGITS, *digits;
  if (status < 0)
    return luaL_error(L, "search: no thread (%d)", status);
  digits = write_digits(end, job->number);
  lua_pushlstring(L, job->text, job->length);
  lua_pushlstring(L, digits, (size_t)(end - digits));
  lua_concat(L, 2);
  return 1;
}

static void search_release(void *arg) {
  search_job *job = arg;
  join(job);
  tide->remote_release(job->remote);
  free(job);
}

static int search(lua_State *L) {
  static const tide_await_ops ops = {"digest.search", search_start,
                                     search_abort, search_finish,
                                     search_release};
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_Number bits = luaL_checknumber(L, 2);
  tide_runtime *rt = tide->runtime_of(L);
  search_job *job;
  luaL_argcheck(L, bits >= 0 && bits <= 32, 2, "0 to 32 bits expected");
  job = rt != NULL ? calloc(1, sizeof *job + length) : NULL;
  if (job != NULL)
    job->remote = tide->remote_new(rt);
  if (job == NULL || job->remote == NULL) {
    free(job);
    return luaL_error(L, "not enough memory");
  }
  job->mask = (uint32_t)((UINT64_C(1) << (int)bits) - 1);
  job->length = length;
  memcpy(job->text, text, length);
  return tide->await(L, &ops, job);
}

/* ---- the module ---- */

/* tide's setfuncs and not Lua's: so it works on Lua 5.1 and LuaJIT, too. */
DIGEST_EXPORT int luaopen_digest(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"crc32", crc32}, {"search", search}, {NULL, NULL}};
  tide = tide_import(L);
  lua_newtable(L);
  tide->setfuncs(L, functions, 0);
  return 1;
}
