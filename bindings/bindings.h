/*
 * bindings.h: what the files of bindings/ share. Private.
 *
 * General layout
 *   core.c       luaopen_tide_core; the state, its upvalues, its end
 *   copy.c       two copies of tide in one lua_State: the second is refused
 *   embed.c      the Lua modules that a static library has in it
 *   await.c      how an awaiting call begins, suspends and ends, on every Lua
 *   yieldable.c  can a coroutine be suspended?
 *   spawn.c      making tasks, and the coroutines that they run on
 *   coroutine.c  coroutine <-> task: resume, results
 *   task.c       the Task object
 *   outcome.c    how a task or future ended: results, error
 *   done.c       their done callbacks
 *   join.c       Task:await, Future:await
 *   future.c     the Future object
 *   gather.c     waiting for several: behind gather, wait, race, as_completed
 *   group.c      the Group object
 *   scope.c      the Scope object; entering and leaving scopes
 *   scopebox.c   scopes of coroutines that are suspended
 *   sleep.c      sleep, next_tick
 *   park.c       tide.park
 *   semaphore.c event.c lock.c condition.c barrier.c queue.c  the primitives,
 *                one noun a file; also
 *   priority_queue.c heap.c  queues by priority, and how they are sorted
 *   context.c    the contexts of tide.var
 *   foreign.c    tide.coroutine: coroutines that may await
 *   links.c      ... and who resumed them
 *   run.c        driving the loop; run, exit
 *   signal.c     for bin/tide: callbacks for signals
 *   listener.c   tide.signal: signals that are waited for
 *   loop.c       the loop object
 *   call.c       callbacks, and the handles of delayed ones
 *   traceback.c  where a coroutine is, where an error was raised
 *   chain.c      tracebacks of failed tasks, and of those who awaited them
 *   report.c     the exception handler, what nobody awaited
 *   tree.c       who waits for whom: as text, and as tables
 *   snapshot.c   ... at one moment
 *   watch.c      debug mode: since when, what runs too long
 *   blocking.c   ... calls that block the loop
 *   leaks.c      ... where things are made, what run leaves behind
 *   trace.c      the timeline; tracefile.c writes it
 *   error.c      the error classes; misuse
 *   testing.c    virtual clock, seeds, probes, trials
 *   host.c and others  include/tide.h: see hosting.h
 *
 * Every C function of ours is a closure over the same four upvalues, so that a
 * call needs no registry lookup.
 */
#ifndef TIDE_BINDINGS_H
#define TIDE_BINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "../runtime/sync.h"
#include "compat.h"

/* A program may export functions of these names, its own copy of tide's. Ours
 * are nobody else's, however core.so is linked. */
#ifdef __ELF__
#define TIDE_EXPORT __attribute__((visibility("protected")))
#endif
#include "../include/tide.h"
#if LUA_VERSION_NUM < 503 && !TIDE_LUAJIT
#include "stateview.h"
#endif

#include "state.h"

#pragma GCC visibility push(hidden)

/* ---- core.c ---- */

/* The state of L, with a runtime made if it has none. Raises. */
tideL_state *tideL_open(lua_State *L);
void tideL_close(lua_State *L, tideL_state *S);
/* Frees the runtime, if there is one, and tells C programs. Calls no Lua. */
void tideL_freeruntime(tideL_state *S);
/* Pushes f as a closure over our upvalues; in a function of ours. */
void tideL_pushfunction(lua_State *L, lua_CFunction f);
/* Into the table on top. */
void tideL_setfunctions(lua_State *L, const luaL_Reg *functions);
/* A class: its metatable, kept at `place`; its methods are left on top. */
void tideL_newclass(lua_State *L, int place, const char *name,
                    const luaL_Reg *methods, const luaL_Reg *metamethods);
/* In an __index of its own, where these are the field `methods` of the
 * metatable. stack: <self, key, ...>; pushes the method, or nil. */
void tideL_pushmethod(lua_State *L);
static inline int tideL_own(lua_State *L, int place) {
  return tideL_rawgeti(L, UP_OWN, place);
}
static inline void tideL_disown(lua_State *L, int place) {
  lua_pushnil(L);
  lua_rawseti(L, UP_OWN, place);
}

/* ---- copy.c, embed.c ---- */

/* L has a state that another copy of tide has made. Raises out of memory. */
bool tideL_isforeign(lua_State *L);
/* Raises if it has. */
void tideL_checkcopy(lua_State *L);
void tideL_markcopy(lua_State *L); /* it is this copy's, which stays loaded */
/* The library that has this address stays loaded from now on. */
void tideL_keeplibrary(const void *address);
/* In a static library: tide.core and the Lua modules are in package.preload. */
void tideL_preload(lua_State *L);

/* ---- error.c ---- */

void tideL_openerrors(lua_State *L);
void tideL_pusherror(lua_State *L, tideL_class class, const char *message);
int tideL_raise(lua_State *L, tideL_class class, const char *message);
bool tideL_iserror(lua_State *L, int index, tideL_class class);
/* Misuse, at the first line that is not ours. */
int tideL_error(lua_State *L, const char *format, ...);
int tideL_argerror(lua_State *L, int arg, const char *function,
                   const char *message);
int tideL_typeerror(lua_State *L, int arg, const char *function,
                    const char *expected);
lua_Number tideL_checknumber(lua_State *L, int arg, const char *function);
/* A whole number from `least` up; 1 if it may be left out, and is. */
#define TIDEL_COUNT_MAX (UINT64_C(1) << 53)
uint64_t tideL_checkcount(lua_State *L, int arg, const char *function,
                          int least);
static inline uint64_t tideL_optcount(lua_State *L, int arg,
                                      const char *function, int least) {
  if (lua_gettop(L) < arg || lua_isnil(L, arg)) /* the first is the quicker */
    return 1;
  return tideL_checkcount(L, arg, function, least);
}
int tideL_secondserror(lua_State *L, int arg, const char *function);
/* A number of seconds, no NaN; as in Lua's own functions "1" is a number. */
static inline lua_Number tideL_checkseconds(lua_State *L, int arg,
                                            const char *function) {
  int isnum;
  lua_Number seconds = tideL_tonumber(L, arg, &isnum);
  if (!isnum || seconds != seconds)
    tideL_secondserror(L, arg, function);
  return seconds;
}
void tideL_checkcallable(lua_State *L, int arg, const char *function);
bool tideL_iscallable(lua_State *L, int index);
const char *tideL_typename(lua_State *L, int index); /* may push */
/* Pushes the text of any error value. */
void tideL_tostring(lua_State *L, int index);
/* A frame of co whose line a user can do something about. */
bool tideL_isusers(lua_State *L, lua_State *co, lua_Debug *ar);
/* Finds the first of these from this level of the stack of co on: its source
 * and line are in *ar. */
bool tideL_userlevel(lua_State *L, lua_State *co, int level, lua_Debug *ar);
/* The same for who runs, from this level of L on. */
bool tideL_caller(lua_State *L, int level, lua_Debug *ar);
/* true, or of a libuv code nil, message, code */
int tideL_pushdone(lua_State *L, int err);
/* The scope that a CancelledError belongs to; 0: none of ours. */
uint64_t tideL_errorscope(lua_State *L, int index);
void tideL_seterrorscope(lua_State *L, int index, uint64_t id, bool expired);
/* Of the error at `index`, a cancellation, for the reason at `reason`. */
void tideL_seterrorreason(lua_State *L, int index, int reason, bool expired);

/* ---- spawn.c ---- */

/* Values that stay at the bottom of the stack of a task's coroutine. */
enum { TIDEL_BOTTOM = TIDE_BASEFRAME ? 2 : 0 };
/* A task of the function at index `first` and the arguments above it, in the
 * group, if any; pushes the Task. Raises, then nothing has changed. */
tideR_task *tideL_spawn(lua_State *L, tideL_state *S, int first,
                        tideR_group *group);
/* A task without a coroutine is to run: it gets one. */
lua_State *tideL_begin(lua_State *T, tideL_state *S, tideR_task *task);
/* ... or will not run at all. */
void tideL_dropcall(lua_State *T, tideL_state *S, const tideR_task *task);
/* Pushes what a task that has not run yet is to call; nil: not known. */
void tideL_pushcalled(lua_State *T, const tideR_task *task);
void tideL_forgetcalls(tideL_state *S); /* of all tasks: the runtime closes */
/* The task has ended on its coroutine, with n values on its top. */
void tideL_putaway(lua_State *T, tideL_state *S, tideR_task *task,
                   lua_State *co, int n, bool reusable);

/* ---- coroutine.c ---- */

extern const tideR_hooks tideL_hooks;
/* Resumes task after task until the loop stops; inside tideR_loop_begin. */
void tideL_resumeall(lua_State *T, tideL_state *S);
/* The task waits, for all that runs before the loop goes on: a finaliser that
 * wakes it does so in earnest. */
void tideL_parked(tideL_state *S, const tideR_task *task);
void tideL_opencoroutine(lua_State *L);
/* A coroutine used again gets what a new one would have from its creator. */
void tideL_inherit(lua_State *L, lua_State *co);
/* Pushes what a resume of co is to pass; how many values. */
int tideL_arguments(tideR_task *task, lua_State *co);
/* Ends a task with the error on top of T: after a longjmp out of a hook. */
void tideL_failtask(lua_State *T, tideL_state *S, tideR_task *task);
/* The same where there is no memory to tell anybody. Never raises. */
void tideL_endtask(tideL_state *S, tideR_task *task);

/* ---- scope.c ---- */

/* The error at `index` arrives at the edge of this scope, the innermost: true
 * if it is the scope's own cancellation and goes no further. If one around it
 * is cancelled, too, the error passes on as that one's. */
bool tideL_catchown(lua_State *L, tideR_scope *scope, int index);
/* The scope that is to be left is not the innermost: those inside it are left
 * with it, so that none stays behind; raises. */
int tideL_misnested(lua_State *L, tideL_state *S, tideR_task *task,
                    uint64_t id);
/* Leaves the innermost scope; its object keeps what it may be asked. */
void tideL_leavescope(lua_State *L, tideL_state *S, tideR_task *task);
void tideL_openscope(lua_State *L);
void tideL_openscopebox(lua_State *L);
/* The value at `index` is the reason of this scope's cancel. */
void tideL_setreason(lua_State *L, tideR_scope *scope, int index);
void tideL_clearreason(lua_State *L, tideR_scope *scope);
/* These scopes end without having been left. */
void tideL_retirescopes(lua_State *L, tideR_scope *top);
/* The same, and frees them: they are detached. */
void tideL_dropscopes(lua_State *L, tideL_state *S, tideR_scope *top);
void tideL_pushreason(lua_State *L, uint64_t id);
/* Scopes that a coroutine of tide.coroutine has open leave the task with it and
 * come back with it. */
void tideL_detachscopes(lua_State *L, tideL_state *S, tideR_task *task,
                        tideR_scope *base, lua_State *co);
/* What a suspended coroutine has open, or NULL; it is the caller's now. */
tideR_scope *tideL_takebox(lua_State *L, const tideL_state *S, lua_State *co);
void tideL_attachscopes(lua_State *L, tideL_state *S, tideR_task *task,
                        lua_State *co);

/* ---- foreign.c ---- */

void tideL_openforeign(lua_State *L);
/* The coroutine that `co` was resumed by and that waits for it, with the
 * outcome of co (n values on its top) on its stack: *nargs values to resume it
 * with. NULL: co is the task's own. */
lua_State *tideL_handback(lua_State *T, tideL_state *S, tideR_task *task,
                          lua_State *co, int status, int n, int *nargs);

#if !TIDE_YIELDK
/* In the function of a pcall of 5.1: pushes the coroutine that called it. */
bool tideL_pushcaller(lua_State *L);
#endif
/* ---- links.c ---- */

/* What waits for that coroutine, which it resumed; or NULL. */
lua_State *tideL_resumer(lua_State *L, lua_State *co);
/* A resume has a record at hand, lest there be no memory for one when it is
 * too late: raises if there is none. It is given back, or to the link. */
void tideL_reservelink(lua_State *L, tideL_state *S);
tideL_link *tideL_takelink(tideL_state *S);
void tideL_returnlink(tideL_state *S, tideL_link *link);
/* co, at index 1, of this task, has been resumed by L, in the scope `base`. */
void tideL_linkresumer(lua_State *L, tideL_state *S, tideR_task *task,
                       lua_State *co, uint64_t base, tideL_link *spare);
/* No more; the scope that it was resumed in. */
uint64_t tideL_unlinkresumer(lua_State *T, tideL_state *S, lua_State *co);
/* The task is given up: what it had resumed will not come back, and nobody may
 * resume it. */
void tideL_droplinks(lua_State *T, tideL_state *S, tideR_task *task);
/* The same of what nothing but C knows of. Never raises. */
void tideL_forgetlinks(tideL_state *S, const tideR_task *task);
/* The same for all tasks: the runtime closes. */
void tideL_orphanlinks(lua_State *L);
void tideL_freelinks(tideL_state *S);

/* ---- context.c ---- */

void tideL_opencontext(lua_State *L);
void tideL_pushowncontext(lua_State *L, const tideL_state *S);
/* Pushes the context of what runs now: a table, or nil. */
static inline void tideL_pushcontext(lua_State *L, const tideL_state *S) {
  if (S->varied)
    tideL_pushowncontext(L, S);
  else
    lua_pushnil(L);
}
/* It becomes the one on top of L, which is popped. */
void tideL_setcontext(lua_State *L, tideL_state *S);
/* These two only if S->varied. The task gets what tideL_pushcontext pushes. */
void tideL_sharecontext(lua_State *L, const tideL_state *S,
                        const tideR_task *task);
void tideL_dropcontext(lua_State *L, const tideR_task *task);
/* Around a callback, which may be inside another: its context is none at first.
 * enter returns what to give to leave. */
void tideL_clearcallvars(lua_State *T);
static inline bool tideL_entercallback(lua_State *T, tideL_state *S) {
  if (S->calling)
    return true;
  S->calling = true;
  S->callbacks++;
  if (S->varied) /* what an error out of the last callback left there */
    tideL_clearcallvars(T);
  return false;
}
static inline void tideL_leavecallback(lua_State *T, tideL_state *S,
                                       bool inside) {
  S->calling = inside;
  if (!inside && S->varied)
    tideL_clearcallvars(T);
}
/* The callback goes on for this task, in its context. */
void tideL_callfor(lua_State *T, tideL_state *S, const tideR_task *task);

/* ---- run.c ---- */

void tideL_openrun(lua_State *L);
/* Runs the loop until it stops; survives errors out of the hooks. */
int tideL_drive(tideL_state *S);
int tideL_step(tideL_state *S, double budget);
/* As a step, in one of the iterations of a host's loop. */
void tideL_hostturn(tideL_state *S, double budget);
int tideL_shut(tideL_state *S); /* closes the runtime; UV_ENOMEM */
/* In the main program: the runtime was closed while it ran. Closes it. */
int tideL_raiseclosed(lua_State *L, tideL_state *S);
/* tide.exit: ends all tasks, then the process. */
void tideL_leaveprocess(lua_State *L, tideL_state *S);
bool tideL_takeinterrupt(tideL_state *S); /* true: one came since */

/* ---- loop.c ---- */

void tideL_openloop(lua_State *L);

/* ---- signal.c, listener.c ---- */

void tideL_opensignal(lua_State *L);
void tideL_openbreak(lua_State *L);
/* S->breaks, and `from` has stopped: what runs on is `to`. */
void tideL_movebreak(tideL_state *S, lua_State *from, lua_State *to);
/* Calls the functions of those that came. */
void tideL_runsignals(lua_State *T, tideL_state *S);
void tideL_openlistener(lua_State *L);

/* ---- call.c ---- */

void tideL_opencall(lua_State *L);
/* Schedules the function at `first`, with the arguments above it; 0: soon.
 * Pushes a Handle, returns 1. */
int tideL_schedule(lua_State *L, tideL_state *S, int first, uint64_t when);
int tideL_pendingcalls(lua_State *L);
/* Calls the function on top of L, with its n arguments, in the next turn. */
void tideL_callsoon(lua_State *L, tideL_state *S, int n);
/* The same in two: pushes what it needs, which may run finalisers, and then
 * calls the function in the context on top, with the one argument between. That
 * runs none. stack: <what it needs, function, argument, context> */
void tideL_newcall(lua_State *L);
void tideL_callnew(lua_State *L, tideL_state *S);
void tideL_oncall(tideR_runtime *rt, tideR_call *call);
/* Has our own chores done in the next turn. Never raises. */
void tideL_wantchores(tideL_state *S);

/* ---- traceback.c ---- */

void tideL_opentraceback(lua_State *L);
int tideL_noter(lua_State *L); /* a message handler: notes the stack */
void tideL_traceback(lua_State *L, lua_State *co); /* pushes where co is */
void tideL_tracebackfrom(lua_State *L, lua_State *co, int level);
/* Of what called the function that runs; before that comes where `co`, a dead
 * coroutine that it ran in, failed, if it is one. */
void tideL_tracebackhere(lua_State *L, lua_State *co);
#define TIDEL_TRACEBACK "stack traceback:" /* how each begins */
/* Before the traceback on top comes the text of the error at `index`. */
void tideL_addmessage(lua_State *L, int index);
/* Pushes the stack noted for the error at `index`, of this task; false: none,
 * and pushes nothing. */
bool tideL_pushnoted(lua_State *L, int index, uint64_t id);

/* ---- chain.c ---- */

void tideL_openchain(lua_State *L);
/* The error of the Task at `index` is raised in the task with this id. */
void tideL_noteraised(lua_State *L, tideL_state *S, int index, uint64_t id);
/* The error at `index` is noted for a task: so is where it came from. */
void tideL_keepraised(lua_State *L, tideL_state *S, int index);
/* The task with this id fails by the error at `index`: pushes the Task it came
 * from, or nil. */
void tideL_pushraised(lua_State *T, tideL_state *S, int index, uint64_t id);
/* Pushes the error of the failed Task at `index`, where it was raised, and who
 * awaited whom from there on; or pushes something, and false: it is not known.
 */
bool tideL_pushchain(lua_State *L, int index);

/* ---- report.c ---- */

void tideL_openreport(lua_State *L);
/* Reports the table {message=, error=, task=, traceback=} on top; pops it. */
void tideL_report(lua_State *T, tideL_state *S);
/* Reports a message alone. */
void tideL_reporttext(lua_State *L, tideL_state *S, const char *message);
/* Pushes such a table for the error at `index`. */
void tideL_pushreport(lua_State *T, const char *message, int index);
/* The Task at `index` failed: sees to it that somebody learns of it, now if
 * nobody else can ask for it; in debug mode, if nobody awaits it. */
void tideL_watchfailure(lua_State *T, tideL_state *S, int index, bool held,
                        bool awaited);
void tideL_reportfailure(lua_State *T, tideL_state *S, int index);
void tideL_flushreports(lua_State *T, tideL_state *S);
/* Of the tasks that failed while run ended what was left. */
void tideL_reportdrained(lua_State *L, tideL_state *S);
/* At the end: what was never seen goes to stderr. Calls no Lua. */
void tideL_lastreports(lua_State *L, int own);
/* One report for each task that swallows its cancellations. */
void tideL_noteswallower(tideL_state *S, tideR_task *task); /* never raises */
void tideL_reportswallowers(lua_State *T, tideL_state *S);
void tideL_forgetswallowers(tideL_state *S);
/* After a run: the failures that nobody can ask for any more. */
void tideL_reportunseen(lua_State *L, tideL_state *S);

/* ---- the C API; see hosting.h ---- */

void tideL_openhost(lua_State *L);
/* A runtime was made: it gets what the program that opened it has set. */
void tideL_useoptions(tideL_state *S);
void tideL_onturn(tideR_runtime *rt);
bool tideL_onpost(tideR_runtime *rt, const tideR_post *post);
/* Tells the program of the report at index 1 of T, if it has a function for
 * that; raises what that raises. */
bool tideL_tellprogram(lua_State *T, tideL_state *S);

/* ---- the other nouns; see primitives.h ---- */

void tideL_opensleep(lua_State *L);
void tideL_openpark(lua_State *L);
void tideL_opensemaphore(lua_State *L);
void tideL_openevent(lua_State *L);
void tideL_openlock(lua_State *L);
void tideL_openqueue(lua_State *L);
void tideL_openpriority(lua_State *L);
/* The task will not run again: what it waited to put is dropped with it. */
void tideL_dropput(lua_State *L, const tideR_task *task);
void tideL_opencondition(lua_State *L);
void tideL_openbarrier(lua_State *L);
void tideL_runaborts(lua_State *T, tideL_state *S);
void tideL_opentesting(lua_State *L);

#pragma GCC visibility pop

#include "await.h"
#include "debugging.h"
#include "ends.h"

#endif
