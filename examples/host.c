/*
 * host.c: a game with a thousand actors, each a script that runs as a task.
 *
 *   host [--no-wait] [FRAMES]
 *
 * The C program owns the lua_State and the time: 60 frames a second, of which
 * the scripts get two milliseconds each. Their part is in examples/host/; read
 * host/story.lua first. The game ends after FRAMES (600), but not before the
 * story has; with --no-wait frames follow each other at once. What happened
 * goes to stdout and is always the same, how long it took goes to stderr.
 *
 *   cc host.c $(pkg-config --cflags --libs tide-5.4) -o host
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>
#include <tide.h>
#include <uv.h>

#define FPS 60
#define BUDGET 0.002 /* seconds of Lua in each frame */
#define SCRIPTS "examples/host/"

enum { GOBLIN, VILLAGER, GUARD, STORY, KINDS };

struct kind {
  const char *file;
  int count;
  int body; /* in the registry: the function that the file returned */
};

struct actor {
  struct kind *kind;
  int number;      /* of its kind */
  double x, y;     /* the actor is C's; the script only moves it */
  tide_task *task; /* its script, while that runs */
};

#define ACTORS 1000
#define KEPT (60 * FPS) /* frames whose times are kept */

struct game {
  lua_State *L;
  tide_runtime *rt;
  struct kind kinds[KINDS];
  struct actor actors[ACTORS];
  struct question *question; /* the one on the screen */
  double seconds;            /* the game's clock */
  double now, dt;            /* as the scripts see it: it can stand still */
  double times[KEPT];        /* milliseconds, of the last frames */
  int frame;
  int story_ended;
  uv_thread_t network;
  tide_remote *remote; /* what the network's thread has of the runtime */
  /* What is told at the end. */
  int sent, delivered, moves, failures, reloaded, frozen, unfinished;
  int held; /* blocks given to tide that it has not given back yet */
};

/* What goes with a task: its actor. See start_script. */
static const char actor_key;

static struct game *game_of(lua_State *L) {
  return tide_userdata(tide_runtime_of(L));
}

/* ---- what scripts call: require "game" ---- */

static int game_say(lua_State *L) {
  printf("%s\n", luaL_checkstring(L, 1));
  return 0;
}

/* Whose script is it that runs now? Also in tasks that the script started, for
 * these inherit what their spawner has. */
static int game_move(lua_State *L) {
  struct game *game = game_of(L);
  struct actor *actor = tide_local_get(game->rt, &actor_key);
  if (actor == NULL)
    return luaL_error(L, "no actor runs here");
  game->moves++;
  actor->x += luaL_checknumber(L, 1) * game->dt;
  actor->y += luaL_checknumber(L, 2) * game->dt;
  return 0;
}

/* game.load(name) awaits work in a thread. The block belongs to tide from
 * tide_work on until `release`, which comes whatever happens: the script may be
 * cancelled, the game may end. `work` has the block for itself. */
struct level {
  struct game *game;
  char name[32];
  int rooms;
};

static void build_level(void *arg) {
  struct level *level = arg;
  unsigned noise = 1;
  for (int i = 0; i < 1000000; i++)
    noise = noise * 1664525u + 1013904223u;
  level->rooms = (int)(noise % 10) + 10 * (int)strlen(level->name);
}

static int push_rooms(lua_State *L, int status, void *arg) {
  const struct level *level = arg;
  (void)status;
  lua_pushinteger(L, level->rooms);
  return 1;
}

static void free_level(void *arg) {
  struct level *level = arg;
  level->game->held--;
  free(level);
}

static int game_load(lua_State *L) {
  static const tide_work_ops ops = {"game.load", build_level, push_rooms,
                                    free_level};
  const char *name = luaL_checkstring(L, 1); /* it may raise: no block yet */
  struct level *level = calloc(1, sizeof *level);
  if (level == NULL)
    return luaL_error(L, "not enough memory");
  level->game = game_of(L);
  level->game->held++;
  snprintf(level->name, sizeof level->name, "%s", name);
  return tide_work(L, &ops, level);
}

/* game.ask(text) awaits the player. Three things can happen to an await: it is
 * woken, it cannot even start, or it is aborted by a cancel. */
struct question {
  struct game *game;
  tide_waiter *waiter;
  double asked_at;
  const char *answer;
  char text[32];
};

static int show_question(tide_waiter *waiter, void *arg) {
  struct question *question = arg;
  if (question->game->question != NULL)
    return UV_EBUSY; /* push_answer makes an error of it */
  question->waiter = waiter;
  question->asked_at = tide_time(question->game->rt);
  question->game->question = question;
  return 0;
}

static int hide_question(tide_waiter *waiter, void *arg) {
  struct question *question = arg;
  (void)waiter;
  question->game->question = NULL;
  return 1; /* it is aborted: nobody will wake the waiter */
}

static int push_answer(lua_State *L, int status, void *arg) {
  const struct question *question = arg;
  if (status < 0)
    return luaL_error(L, "%s: %s", question->text, uv_strerror(status));
  lua_pushstring(L, question->answer);
  return 1;
}

static void free_question(void *arg) {
  struct question *question = arg;
  question->game->held--;
  free(question);
}

static int game_ask(lua_State *L) {
  static const tide_await_ops ops = {"game.ask", show_question, hide_question,
                                     push_answer, free_question};
  const char *text = luaL_checkstring(L, 1);
  struct question *question = calloc(1, sizeof *question);
  if (question == NULL)
    return luaL_error(L, "not enough memory");
  question->game = game_of(L);
  question->game->held++;
  snprintf(question->text, sizeof question->text, "%s", text);
  return tide_await(L, &ops, question);
}

/* tide_setfuncs and not luaL_setfuncs: two of them await, for which 5.1 and
 * LuaJIT need more than a C function. */
static void open_game(lua_State *L) {
  static const luaL_Reg functions[] = {{"say", game_say},
                                       {"move", game_move},
                                       {"load", game_load},
                                       {"ask", game_ask},
                                       {NULL, NULL}};
  lua_getglobal(L, "package");
  lua_pushliteral(L, SCRIPTS "?.lua");
  lua_setfield(L, -2, "path");
  lua_getfield(L, -1, "loaded");
  lua_newtable(L);
  tide_setfuncs(L, functions, 0);
  lua_setfield(L, -2, "game");
  lua_pop(L, 2);
}

/* ---- the player, who sits at the keyboard ---- */

static void play(struct game *game) {
  static const char *const answers[][2] = {{"skip?", "skipped"},
                                           {"Sound the alarm?", "yes"}};
  struct question *question = game->question;
  if (question == NULL || tide_time(game->rt) < question->asked_at + 1.5)
    return;
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    if (strcmp(question->text, answers[i][0]) == 0) {
      question->answer = answers[i][1];
      game->question = NULL;
      tide_wake(question->waiter, 0); /* the script goes on in the next step */
      return;
    }
  }
}

/* ---- another thread, say of the network ---- */

struct message {
  struct game *game;
  int number;
};

/* In the game's thread, inside of a step: here Lua may be called. Without a
 * runtime, if that was closed meanwhile, there is only the block to free. */
static void deliver(tide_runtime *rt, void *arg) {
  struct message *message = arg;
  int number = message->number;
  message->game->delivered++;
  free(message); /* before what may raise, which tide reports */
  if (rt != NULL) {
    lua_State *L = tide_lua(rt);
    lua_getglobal(L, "on_message");
    lua_pushinteger(L, number);
    lua_call(L, 1, 0);
  }
}

/* It neither sees the lua_State nor the runtime: of all that tide has, only
 * tide_post is for it. */
static void run_network(void *arg) {
  struct game *game = arg;
  for (;;) {
    struct message *message = malloc(sizeof *message);
    if (message == NULL)
      break;
    message->game = game;
    message->number = game->sent + 1;
    if (tide_post(game->remote, deliver, message) < 0) {
      free(message); /* the runtime was closed: it will not be called */
      break;
    }
    game->sent++;
    uv_sleep(5);
  }
  tide_remote_release(game->remote);
}

/* ---- scripts ---- */

/* Runs a script's file, which returns the function that each actor runs. If it
 * cannot be loaded all stays as it was: the author will save it again. */
static int load_script(struct game *game, struct kind *kind) {
  char path[64];
  snprintf(path, sizeof path, SCRIPTS "%s", kind->file);
  if (luaL_loadfile(game->L, path) != 0 || lua_pcall(game->L, 0, 1, 0) != 0) {
    printf("%s\n", lua_tostring(game->L, -1));
    lua_pop(game->L, 1);
    return -1;
  }
  luaL_unref(game->L, LUA_REGISTRYINDEX, kind->body);
  kind->body = luaL_ref(game->L, LUA_REGISTRYINDEX);
  return 0;
}

/* The new task has what the spawner, this program, has at the moment. It runs
 * nothing before the next step. */
static void start_script(struct game *game, struct actor *actor) {
  lua_rawgeti(game->L, LUA_REGISTRYINDEX, actor->kind->body);
  lua_pushinteger(game->L, actor->number);
  if (tide_local_set(game->rt, &actor_key, actor) < 0 ||
      tide_spawn(game->rt, game->L, 1, &actor->task) < 0)
    printf("%s %d has no script\n", actor->kind->file, actor->number);
  tide_local_set(game->rt, &actor_key, NULL);
}

/* A script was changed while the game runs. Its actors are cancelled and clean
 * up, which may take them some frames; then look_after starts them again. */
static void reload(struct game *game, struct kind *kind, const char *file) {
  kind->file = file;
  if (load_script(game, kind) < 0)
    return;
  for (int i = 0; i < ACTORS; i++) {
    if (game->actors[i].kind == kind && game->actors[i].task != NULL)
      tide_task_cancel(game->actors[i].task, "there is a new script");
  }
}

/* A script that failed was reported. Who holds a task has to let go of it. */
static void look_after(struct game *game, struct actor *actor) {
  tide_outcome how = tide_task_outcome(actor->task);
  if (how == TIDE_PENDING)
    return;
  tide_task_release(actor->task);
  actor->task = NULL;
  if (how == TIDE_WAS_CANCELLED) {
    game->reloaded++;
    start_script(game, actor);
  }
}

/* Called by tide with what no script caught. */
static void on_failed(tide_runtime *rt, const tide_failure *failure,
                      void *userdata) {
  struct game *game = userdata;
  (void)rt;
  game->failures++;
  printf("reported: %s\n",
         failure->error != NULL ? failure->error : failure->message);
}

/* It is more than looked after: the game ends with it. Called in the turn after
 * its end. */
static void on_story_ended(tide_task *task, tide_outcome how, lua_State *L,
                           int n, void *ud) {
  struct game *game = ud;
  (void)task;
  if (how == TIDE_RAISED && n > 0)
    printf("the story failed: %s\n", lua_tostring(L, -1));
  game->story_ended = 1;
}

static int start_actors(struct game *game) {
  static const struct kind kinds[KINDS] = {{"goblin.lua", 500, LUA_NOREF},
                                           {"villager.lua", 300, LUA_NOREF},
                                           {"guard.lua", 199, LUA_NOREF},
                                           {"story.lua", 1, LUA_NOREF}};
  struct actor *actor = game->actors;
  memcpy(game->kinds, kinds, sizeof kinds);
  for (int i = 0; i < KINDS; i++) {
    if (load_script(game, &game->kinds[i]) < 0)
      return -1;
    for (int number = 1; number <= kinds[i].count; number++, actor++) {
      actor->kind = &game->kinds[i];
      actor->number = number;
      start_script(game, actor);
    }
  }
  return tide_task_on_done(actor[-1].task, on_story_ended, game);
}

/* ---- frames ---- */

/* The clock of the scripts goes by frames: what they do is the same however
 * long a frame takes. Without this option it is the monotonic clock. */
static double read_clock(void *userdata) {
  return ((struct game *)userdata)->seconds;
}

static void direct(struct game *game) {
  switch (game->frame) {
  case 20:
    reload(game, &game->kinds[GOBLIN], "goblin2.lua");
    break;
  case 60: /* pause: no sleep ends; what waits for a frame goes on */
    tide_set_speed(game->rt, 0);
    break;
  case 80:
    tide_set_speed(game->rt, 0.25); /* slow motion */
    break;
  case 120:
    tide_set_speed(game->rt, 1);
    break;
  }
}

/* One frame, without its drawing. The step is all that scripts ever run in, but
 * for what the host calls itself. If the budget did not suffice for all that
 * are ready, they go on in the next frame where this one ended. */
static void run_frame(struct game *game) {
  uint64_t start = uv_hrtime();
  double before = game->now;
  game->seconds += 1.0 / FPS;
  game->now = tide_time(game->rt);
  game->dt = game->now - before;
  game->frozen += game->dt == 0;

  direct(game);
  play(game);
  game->unfinished += tide_step(game->rt, BUDGET) == 1;
  for (int i = 0; i < ACTORS; i++) {
    if (game->actors[i].task != NULL)
      look_after(game, &game->actors[i]);
  }
  game->times[game->frame++ % KEPT] = (double)(uv_hrtime() - start) / 1e6;
}

static void run_game(struct game *game, int frames, int wait) {
  uint64_t now, next = uv_hrtime();
  while (game->frame < frames || !game->story_ended) {
    run_frame(game);
    next += 1000000000 / FPS;
    now = uv_hrtime();
    if (wait && now < next)
      uv_sleep((unsigned)((next - now) / 1000000));
  }
}

/* ---- the end ---- */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void tell_times(struct game *game) {
  double *times = game->times;
  int n = game->frame < KEPT ? game->frame : KEPT;
  qsort(times, (size_t)n, sizeof *times, by_size);
  fprintf(stderr, "%d frames: p50 %.2f ms, p99 %.2f ms, max %.2f ms\n",
          game->frame, times[n / 2], times[n * 99 / 100], times[n - 1]);
  fprintf(stderr, "%g ms were not enough for %d of them\n", BUDGET * 1e3,
          game->unfinished);
}

static void tell_story(struct game *game) {
  tide_stats stats = {.size = sizeof stats};
  if (luaL_dostring(game->L, "local world = require 'world' "
                             "assert(world.sold > 0, 'no apple was sold') "
                             "print(world.torches .. ' torches are lit')"))
    printf("%s\n", lua_tostring(game->L, -1));
  printf("%d scripts failed, %d were replaced by new ones\n", game->failures,
         game->reloaded);
  printf("the clock stood still for %d frames\n", game->frozen);
  tide_stats_get(game->rt, &stats);
  fprintf(stderr, "%.0f unfinished tasks, %.0f switches, %d moves\n",
          (double)stats.tasks, (double)stats.switches, game->moves);
}

/* In mid-flight: goblins patrol, a level is built, a question is on the screen,
 * messages come in. 0: all that tide was given has come back. */
static int end_game(struct game *game) {
  tide_close(game->rt, NULL, NULL);
  uv_thread_join(&game->network); /* its next post has told it */
  for (int i = 0; i < ACTORS; i++)
    tide_task_release(game->actors[i].task);
  lua_close(game->L);
  if (game->held != 0 || game->question != NULL ||
      game->sent != game->delivered) {
    printf("%d blocks and %d messages are lost\n", game->held,
           game->sent - game->delivered);
    return -1;
  }
  printf("closed, and nothing is left\n");
  return 0;
}

static int start_game(struct game *game) {
  tide_options options = {.size = sizeof options,
                          .no_blocking = 1,
                          .userdata = game,
                          .clock = read_clock,
                          .failed = on_failed};
  game->L = luaL_newstate();
  if (game->L == NULL)
    return -1;
  luaL_openlibs(game->L);
  if (tide_open(&game->rt, game->L, &options) < 0)
    return -1;
  open_game(game->L);
  game->remote = tide_remote_new(game->rt);
  if (game->remote == NULL || start_actors(game) < 0)
    return -1;
  return uv_thread_create(&game->network, run_network, game);
}

int main(int argc, char **argv) {
  static struct game game; /* big, and all zero */
  int frames = 600, wait = 1;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--no-wait") == 0)
      wait = 0;
    else
      frames = atoi(argv[i]);
  }
  if (start_game(&game) < 0) {
    fprintf(stderr, "the game could not be started\n");
    return 1;
  }
  run_game(&game, frames, wait);
  tell_story(&game);
  tell_times(&game);
  return end_game(&game) < 0;
}
