/*
 * borrowed.c: a program that has a libuv loop of its own, and lets tide run on
 * it: its handles and the tasks are served by the same uv_run.
 *
 * A connection (here one end of a pair; the program itself holds the other)
 * brings lines, which a script answers; a timer of the program's sends them.
 *
 *   cc borrowed.c $(pkg-config --cflags --libs tide-5.4) -o borrowed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>
#include <tide.h>
#include <uv.h>

#define LINES 3

struct program {
  uv_loop_t loop;
  uv_timer_t timer; /* sends a line now and then */
  uv_tcp_t near;    /* from which lines come, and to which answers go */
  uv_tcp_t far;     /* the other side */
  char buffer[64];
  lua_State *L;
  tide_runtime *rt;
  int sent, answers;
};

static const char script[] =
    "local tide = require 'tide'\n"
    "local lines = tide.queue()\n"
    "function on_line(line) lines:put_nowait(line) end\n"
    "return function()\n"
    "  for n = 1, 3 do\n"
    "    local line = lines:get()\n"
    "    tide.sleep(0.005)\n" /* a timer of tide's, on the program's loop */
    "    answer(('%s, %s'):format(n, line:upper()))\n"
    "  end\n"
    "end\n";

/* ---- the program's own handles ---- */

static void give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  struct program *p = handle->data;
  (void)size;
  *buf = uv_buf_init(p->buffer, sizeof p->buffer);
}

static void on_written(uv_write_t *request, int status) {
  if (status < 0)
    fprintf(stderr, "write: %s\n", uv_strerror(status));
  free(request);
}

/* The text lies behind the request, as long as that is needed. */
static void send_text(uv_tcp_t *tcp, const char *text) {
  size_t size = strlen(text);
  uv_write_t *request = malloc(sizeof *request + size);
  uv_buf_t buf;
  int err = UV_ENOMEM;
  if (request != NULL) {
    buf = uv_buf_init(memcpy(request + 1, text, size), (unsigned)size);
    err = uv_write(request, (uv_stream_t *)tcp, &buf, 1, on_written);
  }
  if (err < 0) {
    fprintf(stderr, "write: %s\n", uv_strerror(err));
    free(request);
  }
}

static void on_timer(uv_timer_t *timer) {
  struct program *p = timer->data;
  char text[32];
  snprintf(text, sizeof text, "line %d", ++p->sent);
  send_text(&p->far, text);
  if (p->sent == LINES)
    uv_timer_stop(timer);
}

/* A callback of the program's may call Lua, and any function of tide. Tasks do
 * not run inside of that: what it wakes goes on when the loop is back. */
static void on_line(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf) {
  struct program *p = stream->data;
  if (size <= 0)
    return;
  lua_getglobal(p->L, "on_line");
  lua_pushlstring(p->L, buf->base, (size_t)size);
  if (lua_pcall(p->L, 1, 0, 0) != 0) {
    fprintf(stderr, "%s\n", lua_tostring(p->L, -1));
    lua_pop(p->L, 1);
  }
}

static void on_closed(void *ud) {
  (void)ud;
  printf("tide is closed\n");
}

/* After the last answer the program is over. On a loop that is not its own tide
 * needs an iteration more to close its handles; they, like the program's, keep
 * uv_run from returning until then. */
static void finish(struct program *p) {
  tide_close(p->rt, on_closed, NULL);
  uv_close((uv_handle_t *)&p->timer, NULL);
  uv_close((uv_handle_t *)&p->near, NULL);
  uv_close((uv_handle_t *)&p->far, NULL);
}

static void on_answer(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf) {
  struct program *p = stream->data;
  if (size > 0)
    printf("%.*s\n", (int)size, buf->base);
  if (size < 0 || ++p->answers == LINES)
    finish(p);
}

static int open_handles(struct program *p) {
  uv_os_sock_t sockets[2];
  uv_loop_init(&p->loop);
  uv_timer_init(&p->loop, &p->timer);
  uv_tcp_init(&p->loop, &p->near);
  uv_tcp_init(&p->loop, &p->far);
  p->timer.data = p->near.data = p->far.data = p;
  if (uv_socketpair(SOCK_STREAM, 0, sockets, UV_NONBLOCK_PIPE,
                    UV_NONBLOCK_PIPE) < 0 ||
      uv_tcp_open(&p->near, sockets[0]) < 0 ||
      uv_tcp_open(&p->far, sockets[1]) < 0)
    return -1;
  uv_read_start((uv_stream_t *)&p->near, give_buffer, on_line);
  uv_read_start((uv_stream_t *)&p->far, give_buffer, on_answer);
  return uv_timer_start(&p->timer, on_timer, 0, 20);
}

/* ---- tide ---- */

static int answer(lua_State *L) {
  struct program *p = tide_userdata(tide_runtime_of(L));
  send_text(&p->near, luaL_checkstring(L, 1));
  return 0;
}

static int open_tide(struct program *p) {
  tide_options options = {.size = sizeof options,
                          .userdata = p,
                          .loop = &p->loop, /* it has to outlive the runtime */
                          .budget = 0.002}; /* in tasks, each iteration */
  p->L = luaL_newstate();
  if (p->L == NULL)
    return -1;
  luaL_openlibs(p->L);
  lua_register(p->L, "answer", answer);
  if (tide_open(&p->rt, p->L, &options) < 0 || luaL_dostring(p->L, script) != 0)
    return -1;
  return tide_spawn(p->rt, p->L, 0, NULL);
}

int main(void) {
  static struct program p;
  int err;
  if (open_handles(&p) < 0 || open_tide(&p) < 0) {
    fprintf(stderr, "could not be started\n");
    return 1;
  }
  uv_run(&p.loop, UV_RUN_DEFAULT); /* the program's: tide_run is refused */
  lua_close(p.L);
  err = uv_loop_close(&p.loop);
  printf("uv_loop_close: %s\n",
         err == 0 ? "nothing is left" : uv_strerror(err));
  return err != 0;
}
