/* state.h: what there is once for each lua_State: the upvalues of our
 * functions, and the state. A part of bindings.h, which includes it. */
#ifndef TIDE_STATE_H
#define TIDE_STATE_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

#define UP_STATE lua_upvalueindex(1)   /* the tideL_state */
#define UP_THREADS lua_upvalueindex(2) /* slot -> coroutine; see spawn.c */
#define UP_HANDLES lua_upvalueindex(3) /* slot -> Task, weak */
#define UP_OWN lua_upvalueindex(4)     /* everything else, see below */
#define UPVALUES 4
#define UP_AWAITING lua_upvalueindex(5) /* of an awaiting function: which */

/* Places in the table UP_OWN. */
enum {
  OWN_MODULE = 1, /* what luaopen returned */
  OWN_TASK,       /* metatables */
  OWN_SCOPE,
  OWN_LOOP,
  OWN_TIMER,
  OWN_SENTINEL,
  OWN_SEMAPHORE,
  OWN_EVENT,
  OWN_FUTURE,
  OWN_GATHER,
  OWN_GROUP,
  OWN_LOCK,
  OWN_CONDITION,
  OWN_BARRIER,
  OWN_QUEUE,
  OWN_PRIORITYQUEUE,
  OWN_PARKING,
  OWN_WATCHER,
  OWN_LISTENER,
  OWN_STDIO, /* fd -> Stream */
  OWN_STREAM,
  OWN_SERVER,
  OWN_LOOKUP,
  OWN_UDP,
  OWN_DIR,
  OWN_FILE,
  OWN_WATCHDIR,
  OWN_PROCESS,
  OWN_SCOPEBOX,
  OWN_DONEBOX,
  OWN_WAITERBOX,
  OWN_SCOPES,    /* scope id -> Scope object, weak */
  OWN_REASONS,   /* scope id -> reason of its cancel */
  OWN_CALLS,     /* slot -> function, or table of function and arguments */
  OWN_PARKED,    /* slot of a task -> its parking */
  OWN_CONTEXTS,  /* slot of a task -> its context */
  OWN_ARGUMENTS, /* of tasks that wait for a coroutine: see spawn.c */
  OWN_SPARE,     /* a table for these */
  OWN_CALLVARS,  /* context of the callback that runs */
  OWN_MAINVARS,  /* context of the main program */
  OWN_PUTTING,   /* slot of a task that waits in put -> its item */
  OWN_SIFTER,    /* changes a heap, to be called protected */
  OWN_PINNED,    /* slot -> Task that must outlive its handles */
  OWN_LINKS,     /* coroutine that awaits -> the one that resumed it */
  OWN_DETACHED,  /* suspended coroutine -> the scopes it has open, weak */
  OWN_INNER,     /* coroutine of a 5.1 pcall -> the one that called it, weak */
  OWN_EXPOSED,   /* coroutines that only the loop may resume, or nobody, weak */
  OWN_SIGNALS,   /* name -> watcher */
  OWN_REPORTS,   /* what is to be reported */
  OWN_SOURCES,   /* chunks that are ours: errors name the line below them */
  OWN_HANDLER,   /* the exception handler */
  OWN_TELLER,    /* ... and what calls it */
  OWN_ABORTER,   /* calls the abort function of a parking */
  OWN_ABANDON,   /* ends a task that is given up */
  OWN_BASE,      /* the function under each task, where there is one */
  OWN_NOTER,     /* the message handler that keeps tracebacks */
  OWN_DRAINED,   /* failed while run ended what was left */
  OWN_NOTED,     /* the last error whose stack was noted, and that: */
  OWN_NOTEDSTACK,
  OWN_CREATIONNOTER, /* debug mode: notes where a task is made */
  OWN_CALLNOTER,     /* ... where a delayed call is */
  OWN_LEFTFINDER,    /* ... lists what run leaves behind */
  OWN_MADE,          /* ... where delayed calls were: see leaks.c */
  OWN_BLOCKERS,      /* ... see blocking.c */
  OWN_WARNED,
  OWN_TRACEFILE, /* a file of Lua's that the timeline goes to */
  OWN_RAISED,    /* the failed Task whose error was raised last, weak at [1] */
  OWN_NOTEDFROM, /* the same of the error of OWN_NOTED */
  OWN_RUNNING,   /* Lua's own coroutine.running */
  OWN_LOOPOBJ,   /* the loop object of this runtime */
  OWN_GROUPS,    /* scope id of a group -> its errors: see group.c */
  OWN_ERRORS     /* from here on the error classes */
};

typedef enum tideL_class {
  TIDEL_CANCELLED,
  TIDEL_TIMEOUT,
  TIDEL_SCOPECANCELLED,
  TIDEL_INVALIDSTATE,
  TIDEL_PROCESS,
  TIDEL_QUEUESHUTDOWN,
  TIDEL_BROKENBARRIER,
  TIDEL_BROKENLOCK,
  TIDEL_DEADLOCK,
  TIDEL_ABANDONED,
  TIDEL_GROUP,
  TIDEL_OS,
  TIDEL_INTERRUPTED,
  TIDEL_CLASSES
} tideL_class;

/* Flags of a task that are ours. */
#define TASK_RAISE TIDE_USER1   /* its await raises a cancellation */
#define TASK_PINNED TIDE_USER2  /* below it is a coroutine that cannot yield */
#define TASK_EXPOSED TIDE_USER3 /* Lua may hold its coroutine */
#define TASK_TELL TIDE_USER4    /* its swallowing is to be reported */
#define TASK_GUARDED TIDE_USER5 /* others may resume what it runs in */

typedef struct tideL_parking tideL_parking;
typedef struct tideL_held tideL_held;
typedef struct tideL_trace tideL_trace;
typedef struct tideL_link { /* see foreign.c */
  struct tideL_link *next;
  tideR_task *task;
  lua_State *inner, *outer;
  uint64_t base;
} tideL_link;
#define TIDEL_PLACE 128 /* bytes of a place in the source */

/* One per lua_State: the userdata made first, so finalised last. It is what C
 * programs have as their tide_runtime. */
typedef struct tide_runtime tideL_state;
struct tide_runtime {
  tideR_runtime *rt;     /* NULL: none was needed yet, or it was closed */
  tideR_task *current;   /* runs now; NULL in callbacks and the main program */
  tideR_task *stopped;   /* what ran on the spot is yet to be ended: */
  lua_State *stopped_on; /* ... on that coroutine */
  int stopped_status;    /* ... as its resume returned this */
  int stopped_values;    /* ... and so many values */
  tideR_task *failing;   /* to be ended by an error out of a hook */
  tideR_task *spawning;  /* a record that an out-of-memory error left behind */
  lua_State *mainthread; /* of the main program, once it has waited */
  lua_State *thread;     /* runs callbacks, resumes tasks */
  lua_State *starter;    /* runs what park starts */
  lua_State *pinner;     /* the coroutine that TASK_PINNED is about */
  tideL_parking *aborts; /* those to be aborted */
  tideL_parking *last_abort;
  tideR_task **swallowers;  /* to be reported: */
  uint32_t swallower_count; /* so many, and those there is room for */
  uint32_t swallower_room;
  uint16_t *deferred;     /* arguments in each table of OWN_ARGUMENTS */
  uint32_t deferred_room; /* so many tables there is room for */
  uint32_t serial : 24;   /* of the runtime: tells objects of a closed one */
  uint32_t pooled;        /* coroutines kept for the next tasks */
  uint32_t links;         /* entries in OWN_LINKS, and: */
  tideL_link *unlisted;   /* those that there was no memory for */
  tideL_link *spares;     /* records for such */
  uint32_t detached;      /* entries ever made in OWN_DETACHED */
  uint32_t abort_round;   /* of those that come next */
  uint32_t unseen;        /* sentinels of failures that are not collected */
  uint32_t depth;         /* of resumes inside each other, on LuaJIT */
  uint32_t streak;        /* awaits in a row that did not wait */
  uint32_t busy;          /* calls of user code outside of the loop's own */
  uint64_t callbacks;     /* begun so far */
  uint64_t raised_in;     /* id of the task where OWN_RAISED was; 0: none */
  uint64_t recycled;
  uint64_t noted; /* id of the task of OWN_NOTED; 0: of none */
  double grace;   /* seconds that run waits for what it cancelled */
  double slow;    /* in debug mode: a longer resume is reported */
  bool nested;    /* a task runs on the spot (tideL_runhere), or none may */
  bool remade;    /* a task may have two Tasks */
  bool failed;    /* the base frame of the current task caught an error */
  bool debug;
  bool watching; /* debug mode, or a timeline is written: see watch.c */
  bool blockers; /* io.read and others tell that they block */
  bool hosted;   /* a host steps the loop: the main program cannot wait */
  bool blocking; /* set_blocking */
  bool embedded; /* a C program has opened it */
  bool script;   /* bin/tide: run(fn) in the main task runs fn there */
  bool prompt;   /* at a prompt: what failed is looked for */
  bool collect;  /* ... now */
  bool signals;  /* a signal came that has a callback */
  bool hooked;   /* see await.c */
  bool starting; /* what park starts runs */
  bool dead;     /* lua_close has come so far */
  bool spare;    /* there is a table in OWN_SPARE */
  bool varied;   /* a var has been set: contexts are looked at */
  bool calling;  /* a callback runs */
  bool draining; /* run cancels what is left: failures are reported at once */
  bool exiting;  /* tide.exit was called */
  bool entered;  /* the loop has been, since drive called it */
  bool paused;   /* the trial's task has done its part: see testing.c */
  int exitcode;
  struct tideR_fs *ended_fs; /* what is begun or told now: see fs.c */

  /* Where an interrupt breaks what runs, see break.c: */
  uv_thread_t breakable;         /* the thread */
  volatile bool breaks;          /* a coroutine got a hook of ours */
  const tideR_task *hooked_task; /* ... for this one, or a callback */
  lua_Hook hook_before;          /* ... in place of this one */
  int mask_before;
  int count_before;

  /* While it watches: */
  tideL_trace *trace;            /* the timeline, or NULL */
  struct tideL_waiting *waiting; /* since when tasks wait, by slot */
  uint32_t waiting_room;
  uint32_t traces;           /* timelines begun so far */
  uint64_t began;            /* what runs; on the real clock; 0: not seen */
  uint64_t runs;             /* id of the task that does */
  uint64_t swallowed_before; /* cancellations, when run began */
  char from[TIDEL_PLACE];    /* where that began */
  char to[TIDEL_PLACE];      /* ... and where it paused */

  /* For C programs, see hosting.h: */
  tide_options options;  /* of who opened it; their userdata: tide_userdata */
  lua_State *program;    /* what tide_lua gives outside of the loop */
  struct tideL_job *job; /* to be done in the protected call that begins */
  char protector;        /* the address of each is a key, see tideL_anchor: */
  char awaiting;         /* what makes that call, what begins an await of C, */
  char wrapping;         /* and what makes a function of one that awaits */
  tideL_held *held;      /* what programs hold */
  struct tideL_teller *dones;  /* their callbacks that are yet to be called */
  struct tide_waiter *waiters; /* whose wake is yet to come */
  void (*closed)(void *ud);    /* to be called when it is closed */
  void *closed_ud;
  int loop_error; /* why there was no runtime to be had, or 0 */
  bool closing;   /* ... as soon as no code of it runs */
  bool shutting;  /* ... which it does now */
  bool dropping;  /* it is told to C programs that it closes */
};

static inline tideL_state *tideL_get(lua_State *L) {
  return lua_touserdata(L, UP_STATE);
}

/* User code that runs now was called by the loop, or on its behalf. */
static inline bool tideL_isbusy(const tideL_state *S) {
  return S->busy > 0 || (S->rt != NULL && tideR_loop_running(S->rt));
}

#pragma GCC visibility pop

#endif
