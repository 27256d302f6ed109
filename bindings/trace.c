/*
 * trace.c: what happens, when: the timeline of tide.debug.trace.
 *
 * Chrome's trace event format, as an array: one event a line, in the order of
 * time. The loop and each task have a track. On a task's, a slice "run" for
 * each time that it ran, and one named after what it waited for; flows lead
 * from who woke or made it to its next run. On the loop's, callbacks and polls.
 *
 * The file always ends after a whole event, for the array may lack its end:
 * what is there can be read also if the process dies. Nothing here allocates
 * in Lua but the names of tasks, which are read when they run.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tracefile.h"

#define FLUSH_NS 100000000u /* so long events stay here before a wait */

enum { LOOP = 1, MAIN_PROGRAM }; /* tracks; those of tasks follow */

typedef struct track {
  uint64_t id;   /* of the task that is in the slot, + 1; 0: none yet */
  uint64_t flow; /* that ends when it runs, or 0 */
  bool named;    /* its name is told */
  bool waiting;  /* its wait is open */
} track;

struct tideL_trace {
  tideL_tracefile file;
  track *tracks; /* by slot */
  uint32_t room;
  uint64_t flow;    /* the last one */
  uint64_t running; /* the track on which a run is open, or 0 */
  bool calling;     /* a callback is */
  bool polling;     /* a poll is */
};

/* ---- tracks ---- */

static uint64_t track_of(const tideR_task *task) {
  return task->id + MAIN_PROGRAM;
}

static void close_wait(tideL_trace *self, track *at, const char *by,
                       uint64_t id) {
  if (!at->waiting)
    return;
  at->waiting = false;
  tideL_putevent(&self->file, "E", at->id - 1 + MAIN_PROGRAM, NULL);
  if (by != NULL)
    tideL_putstring(&self->file, "by", by);
  else if (id != 0)
    tideL_puttask(&self->file, "by", id);
  tideL_endevent(&self->file);
}

/* NULL: out of memory; then less is told. */
static track *find(tideL_trace *self, const tideR_task *task) {
  track *at;
  if (task->slot >= self->room) {
    uint32_t room = task->slot < 64 ? 128 : 2 * task->slot;
    track *tracks = realloc(self->tracks, room * sizeof *tracks);
    if (tracks == NULL)
      return NULL;
    memset(tracks + self->room, 0, (room - self->room) * sizeof *tracks);
    self->tracks = tracks;
    self->room = room;
  }
  at = &self->tracks[task->slot];
  if (at->id != task->id + 1) {
    close_wait(self, at, NULL, 0); /* who was there was given up */
    *at = (track){.id = task->id + 1};
  }
  return at;
}

/* A finaliser might end the timeline, and begin another: what was read of it is
 * void then. False: there is none any more. */
static bool put_name(lua_State *L, tideL_state *S, const tideR_task *task) {
  track *at;
  tideL_pushtaskname(L, S, task);
  if (S->trace != NULL && (at = find(S->trace, task)) != NULL) {
    tideL_putname(&S->trace->file, track_of(task), lua_tostring(L, -1));
    at->named = true;
  }
  lua_pop(L, 1);
  return S->trace != NULL;
}

/* ---- tasks ---- */

void tideL_traceran(tideL_state *S, bool ended) {
  tideL_trace *self = S->trace;
  if (self->running == 0)
    return; /* it began before the trace */
  tideL_putevent(&self->file, "E", self->running, NULL);
  if (ended)
    tideL_putstring(&self->file, "then", "ended");
  tideL_endevent(&self->file);
  self->running = 0;
}

void tideL_tracerun(lua_State *T, tideL_state *S, const tideR_task *task) {
  tideL_trace *self = S->trace;
  track *at = find(self, task);
  tideL_traceran(S, false); /* what an error out of the last run left open */
  if (at != NULL && !at->named) {
    if (!put_name(T, S, task))
      return;
    self = S->trace;
    at = find(self, task);
  }
  if (at != NULL)
    close_wait(self, at, NULL, 0);
  self->running = track_of(task);
  tideL_putevent(&self->file, "B", self->running, "run");
  if (S->from[0] != '\0')
    tideL_putstring(&self->file, "at", S->from);
  tideL_endevent(&self->file);
  if (at != NULL && at->flow != 0) {
    tideL_putflow(&self->file, "f", self->running, at->flow);
    at->flow = 0;
  }
}

void tideL_traceparked(tideL_state *S, const tideR_task *task,
                       const char *place) {
  tideL_trace *self = S->trace;
  track *at = find(self, task);
  const char *what = tideR_task_waits_for(task);
  const tideR_task *target = tideR_task_awaits(task);
  if (target == NULL)
    target = tideR_task_lock_owner(task);
  if (at == NULL || what == NULL || at->waiting)
    return;
  tideL_putevent(&self->file, "B", track_of(task), what);
  if (*place != '\0')
    tideL_putstring(&self->file, "at", place);
  if (target != NULL)
    tideL_puttask(&self->file, "of", target->id);
  tideL_endevent(&self->file);
  at->waiting = true;
}

/* A flow from what happens now, on the waker's track, to its next run. */
static void begin_flow(tideL_trace *self, track *at, uint64_t from) {
  tideL_putflow(&self->file, "s", from, ++self->flow);
  at->flow = self->flow;
}

/* The track of what happens now. */
static uint64_t now_on(const tideL_state *S) {
  if (S->current != NULL)
    return track_of(S->current);
  return S->calling || tideR_loop_running(S->rt) ? LOOP : MAIN_PROGRAM;
}

void tideL_tracewoken(tideL_state *S, const tideR_task *task) {
  tideL_trace *self = S->trace;
  track *at = find(self, task);
  uint64_t from = now_on(S);
  if (at == NULL)
    return;
  if (from > MAIN_PROGRAM)
    close_wait(self, at, NULL, from - MAIN_PROGRAM);
  else
    close_wait(self, at, from == LOOP ? "the loop" : "the main program", 0);
  if (!(task->flags & TIDE_ROOT))
    begin_flow(self, at, from);
}

void tideL_tracecancelled(tideL_state *S, const tideR_task *task) {
  tideL_trace *self = S->trace;
  tideL_putevent(&self->file, "i", track_of(task), "cancelled");
  tideL_endevent(&self->file);
}

void tideL_tracespawned(tideL_state *S, const tideR_task *task) {
  tideL_trace *self = S->trace;
  track *at = find(self, task);
  tideL_putevent(&self->file, "i", now_on(S), "spawn");
  tideL_puttask(&self->file, "task", task->id);
  tideL_endevent(&self->file);
  if (at != NULL)
    begin_flow(self, at, now_on(S));
}

void tideL_tracerenamed(tideL_state *S, const tideR_task *task) {
  track *at = find(S->trace, task);
  if (at != NULL)
    at->named = false;
}

/* ---- the loop ---- */

void tideL_tracecalled(tideL_state *S) {
  tideL_trace *self = S->trace;
  if (!self->calling)
    return;
  self->calling = false;
  tideL_putevent(&self->file, "E", LOOP, NULL);
  tideL_endevent(&self->file);
}

void tideL_tracecall(tideL_state *S, const char *place) {
  tideL_trace *self = S->trace;
  tideL_tracecalled(S); /* the same for callbacks */
  self->calling = true;
  tideL_putevent(&self->file, "B", LOOP, "callback");
  if (*place != '\0')
    tideL_putstring(&self->file, "function", place);
  tideL_endevent(&self->file);
}

void tideL_tracepoll(tideL_state *S, bool begins, bool blocking) {
  tideL_trace *self = S->trace;
  if (!begins && !self->polling)
    return;
  if (begins && blocking)
    tideL_settlefile(&self->file, FLUSH_NS);
  self->polling = begins;
  tideL_putevent(&self->file, begins ? "B" : "E", LOOP,
                 !begins    ? NULL
                 : blocking ? "wait for events"
                            : "poll");
  tideL_endevent(&self->file);
}

/* ---- start and stop ---- */

/* Those that are there already. */
static void put_tasks(lua_State *L, tideL_state *S) {
  for (uint32_t slot = 1; slot <= tideR_task_slots(S->rt); slot++) {
    const tideR_task *task = tideR_task_at(S->rt, slot);
    if (task->state == TIDE_TASK_FREE || task == S->spawning ||
        task->flags & TIDE_ROOT)
      continue;
    if (!put_name(L, S, task))
      break;
    tideL_traceparked(S, task, "");
  }
}

/* begin(): protected: without memory for a name the timeline goes on. */
static int begin(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_watch(S);
  luaL_checkstack(L, 20, NULL);
  tideL_putname(&S->trace->file, 0, "tide");
  tideL_putname(&S->trace->file, LOOP, "loop");
  tideL_putname(&S->trace->file, MAIN_PROGRAM, "main program");
  put_tasks(L, S);
  return 0;
}

static int push_failure(lua_State *L, int error) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(error));
  lua_pushstring(L, uv_err_name(uv_translate_sys_error(error)));
  return 3;
}

/* trace_start(name or file): true; or nil, message, code */
static int core_trace_start(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tideL_trace *self;
  lua_settop(L, 1);
  tideL_pushfunction(L, begin);
  lua_insert(L, 1);
  if (S->trace != NULL)
    return tideL_error(L, "'debug.trace': a trace is being written already");
  self = calloc(1, sizeof *self);
  if (self == NULL)
    return push_failure(L, ENOMEM);
  if (!tideL_openfile(L, &self->file, 2)) {
    int error = self->file.error;
    free(self);
    return push_failure(L, error);
  }
  S->trace = self;
  S->traces++;
  lua_rawseti(L, UP_OWN, OWN_TRACEFILE); /* that of the user lives as long */
  if (lua_pcall(L, 0, 0, 0) != LUA_OK)
    lua_pop(L, 1);
  lua_pushnumber(L, S->traces);
  return 1;
}

/* The slices that are open get their ends. */
static void close_slices(tideL_state *S) {
  tideL_trace *self = S->trace;
  tideL_traceran(S, false);
  tideL_tracecalled(S);
  tideL_tracepoll(S, false, false);
  for (uint32_t slot = 0; slot < self->room; slot++)
    close_wait(self, &self->tracks[slot], NULL, 0);
}

int tideL_stoptrace(tideL_state *S) {
  tideL_trace *self = S->trace;
  int error;
  if (self == NULL)
    return 0;
  close_slices(S);
  error = tideL_closefile(&self->file);
  S->trace = NULL;
  free(self->tracks);
  free(self);
  tideL_watch(S);
  return error;
}

void tideL_flushtrace(tideL_state *S) {
  if (S->trace != NULL)
    tideL_settlefile(&S->trace->file, 0);
}

void tideL_endtrace(lua_State *L, tideL_state *S) {
  int error = tideL_stoptrace(S);
  tideL_disown(L, OWN_TRACEFILE);
  if (error == 0)
    return;
  lua_pushfstring(L, "not all of the timeline could be written: %s",
                  strerror(error));
  tideL_reporttext(L, S, lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* trace_end(which): one that nobody stops is ended; who would be told that it
 * failed is the exception handler */
static int core_trace_end(lua_State *L) {
  tideL_state *S = tideL_get(L);
  if (lua_tonumber(L, 1) == S->traces)
    tideL_endtrace(L, S);
  return 0;
}

/* trace_stop([which]): true; or nil, message, code: not all was written. One
 * that has been stopped stays so. */
static int core_trace_stop(lua_State *L) {
  tideL_state *S = tideL_get(L);
  int error = 0;
  if (lua_isnoneornil(L, 1) || lua_tonumber(L, 1) == S->traces)
    error = tideL_stoptrace(S);
  if (S->trace == NULL)
    tideL_disown(L, OWN_TRACEFILE);
  if (error != 0)
    return push_failure(L, error);
  lua_pushboolean(L, 1);
  return 1;
}

void tideL_opentrace(lua_State *L) {
  static const luaL_Reg functions[] = {{"trace_start", core_trace_start},
                                       {"trace_stop", core_trace_stop},
                                       {"trace_end", core_trace_end},
                                       {NULL, NULL}};
  tideL_setfunctions(L, functions);
}
