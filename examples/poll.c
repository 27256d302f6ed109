/*
 * poll.c: a program that waits in poll(2), for a descriptor of its own and for
 * tide, as one does that has to do with X11, a database, or a server older than
 * its scripts. It steps tide when that is due: when the seconds of
 * tide_next_timeout are over, or when tide_fd is readable.
 *
 * Here a second thread writes lines into a pipe, which the program reads and
 * gives to a script, and posts to tide, which ends the poll.
 *
 *   cc poll.c $(pkg-config --cflags --libs tide-5.4) -o poll
 */
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>
#include <tide.h>

#define LINES 5

struct program {
  lua_State *L;
  tide_runtime *rt;
  tide_remote *remote; /* the thread's */
  int from, to;        /* the pipe: our end, -1 after its end; the thread's */
};

static const char script[] =
    "local tide = require 'tide'\n"
    "local lines, posts = tide.queue(), tide.queue()\n"
    "function on_line(line)\n"
    "  if line then lines:put_nowait(line) else lines:shutdown() end\n"
    "end\n"
    "function on_post() posts:put_nowait('post') end\n"
    "\n"
    "local ticks = 0\n"
    "local ticker = tide.task(function()\n"
    "  while true do tide.sleep(0.002) ticks = ticks + 1 end\n"
    "end)\n"
    "tide.task(function()\n"
    "  for _ = 1, 5 do posts:get() end\n"
    "  print('all posts came')\n"
    "  local line = lines:get()\n"
    "  while line do print(line) line = lines:get() end\n"
    "  ticker:cancel()\n"
    "  print(ticks > 0 and 'meanwhile the clock ticked')\n"
    "end)\n";

/* Calls a function of the script's with a text, or without; pops it. */
static void call_script(lua_State *L, const char *name, const char *text) {
  lua_getglobal(L, name);
  lua_pushstring(L, text); /* nil, if there is none */
  if (lua_pcall(L, 1, 0, 0) != 0) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
}

/* ---- the other thread ---- */

/* Not in that thread, but inside of a step of the program's. */
static void on_post(tide_runtime *rt, void *arg) {
  (void)arg;
  if (rt != NULL)
    call_script(tide_lua(rt), "on_post", NULL);
}

static void *run_thread(void *arg) {
  struct program *p = arg;
  for (int i = 1; i <= LINES; i++) {
    const struct timespec pause = {.tv_nsec = 5000000};
    dprintf(p->to, "line %d\n", i);
    tide_post(p->remote, on_post, NULL);
    nanosleep(&pause, NULL);
  }
  close(p->to);
  tide_remote_release(p->remote); /* now tide may run out of work */
  return NULL;
}

/* ---- the loop ---- */

/* Milliseconds for poll, rounded up: too early it would turn for nothing. */
static int timeout_of(tide_runtime *rt) {
  double seconds = tide_next_timeout(rt);
  if (seconds < 0 || isinf(seconds))
    return -1;
  return seconds < 3600 ? (int)ceil(seconds * 1000) : 3600000;
}

/* A line may come in two parts; these are short enough for a pipe not to. What
 * the script wakes thereby is due at once, and tide_next_timeout tells. */
static void read_lines(struct program *p) {
  char buffer[256];
  ssize_t n = read(p->from, buffer, sizeof buffer - 1);
  if (n <= 0) {
    close(p->from);
    p->from = -1; /* poll takes no notice of it any more */
    call_script(p->L, "on_line", NULL);
    return;
  }
  buffer[n] = '\0';
  for (char *line = strtok(buffer, "\n"); line; line = strtok(NULL, "\n"))
    call_script(p->L, "on_line", line);
}

/* Until the pipe is at its end, and nothing can happen in tide any more. */
static void run(struct program *p) {
  while (p->from >= 0 || tide_next_timeout(p->rt) >= 0) {
    struct pollfd fds[] = {{.fd = p->from, .events = POLLIN},
                           {.fd = tide_fd(p->rt), .events = POLLIN}};
    poll(fds, 2, timeout_of(p->rt));
    if (fds[0].revents != 0)
      read_lines(p);
    tide_step(p->rt, 0.002); /* costs next to nothing if none was due */
  }
}

static int start(struct program *p, pthread_t *thread) {
  tide_options options = {.size = sizeof options, .no_blocking = 1};
  int ends[2];
  p->L = luaL_newstate();
  if (p->L == NULL || pipe(ends) < 0)
    return -1;
  p->from = ends[0];
  p->to = ends[1];
  luaL_openlibs(p->L);
  if (tide_open(&p->rt, p->L, &options) < 0)
    return -1;
  if (luaL_dostring(p->L, script) != 0) {
    fprintf(stderr, "%s\n", lua_tostring(p->L, -1));
    return -1;
  }
  p->remote = tide_remote_new(p->rt);
  return p->remote != NULL ? pthread_create(thread, NULL, run_thread, p) : -1;
}

int main(void) {
  struct program p;
  pthread_t thread;
  if (start(&p, &thread) != 0) {
    fprintf(stderr, "could not be started\n");
    return 1;
  }
  run(&p);
  pthread_join(thread, NULL);
  tide_close(p.rt, NULL, NULL);
  lua_close(p.L);
  printf("the end\n");
  return 0;
}
