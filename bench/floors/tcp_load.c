/*
 * tcp_load.c: the load of the TCP rows, the same for every server. It starts
 * the server on one core, which tells its port in its first line, and loads it
 * from the other. What comes back is compared with what was sent; of messages
 * over 4 KiB that is one of sixteen, the others are only counted, so that it is
 * the server that has most to do.
 *
 *   tcp_load echo MS SIZE CONNECTIONS -- SERVER...   each has one message out
 *   tcp_load once MS SIZE CONNECTIONS -- SERVER...   ... and is then made anew
 *     prints: messages per second, microseconds of the server's CPU time for
 *     each, p50 and p99 in microseconds, how busy the load was (1: all the
 *     time), and the server's memory in megabytes
 *   tcp_load sink|source MIB -- SERVER...   one connection, one way
 *     prints: megabytes per second, microseconds of CPU for each
 *   tcp_load idle N -- SERVER...   each has had one message
 *     prints: bytes and microseconds of CPU for each
 *
 * The server is told its mode in one more word; it is echo for idle.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SERVER_CORE 0
#define LOAD_CORE 1
#define PATIENCE 20000 /* ms, for whatever the server is to do */
#define BLOCK 65536
#define ROOM 1048576
#define EVENTS 256
#define COMPARED 4096 /* all of what is no longer than that */
#define MEGABYTE 1e6

static pid_t server;
static clockid_t server_clock;
static struct sockaddr_in address = {.sin_family = AF_INET};
static char room[ROOM];

/* ---- what goes wrong ---- */

static void end_server(void) {
  if (server > 0)
    kill(server, SIGKILL);
}

static void fail(const char *what) {
  fprintf(stderr, "tcp_load: %s%s%s\n", what, errno ? ": " : "",
          errno ? strerror(errno) : "");
  exit(1);
}

static void check(bool right, const char *what) {
  if (!right)
    fail(what);
}

static void expect(bool right, const char *what) {
  if (!right)
    errno = 0;
  check(right, what);
}

/* ---- the server ---- */

static double read_clock(clockid_t clock) {
  struct timespec t;
  check(clock_gettime(clock, &t) == 0, "the server has ended");
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now(void) {
  return read_clock(CLOCK_MONOTONIC);
}

/* Of all its threads. /proc would say it in hundredths of a second. */
static double server_time(void) {
  return read_clock(server_clock);
}

static double server_memory(void) {
  char name[64];
  unsigned long size, resident;
  FILE *file;
  snprintf(name, sizeof name, "/proc/%d/statm", (int)server);
  file = fopen(name, "r");
  check(file != NULL && fscanf(file, "%lu %lu", &size, &resident) == 2,
        "the server's memory");
  fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0)
    perror("tcp_load: not on a core of its own");
}

static void become_server(char **command, int out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(out, STDOUT_FILENO);
  close(out);
  pin(SERVER_CORE);
  execvp(command[0], command);
  perror(command[0]);
  _exit(127);
}

static unsigned short read_port(int in) {
  char line[32] = "";
  size_t n = 0;
  struct pollfd ready = {in, POLLIN, 0};
  while (n < sizeof line - 1 && strchr(line, '\n') == NULL) {
    ssize_t got;
    check(poll(&ready, 1, PATIENCE) == 1, "the server tells no port");
    got = read(in, line + n, sizeof line - 1 - n);
    expect(got > 0, "the server has ended");
    n += (size_t)got;
  }
  return (unsigned short)atoi(line);
}

static void start_server(char **command, const char *mode) {
  int ends[2], n = 0;
  char *words[64];
  check(pipe(ends) == 0, "pipe");
  for (; command[n] != NULL && n < 62; n++)
    words[n] = command[n];
  words[n] = (char *)(strcmp(mode, "idle") == 0 ? "echo" : mode);
  words[n + 1] = NULL;
  server = fork();
  check(server >= 0, "fork");
  if (server == 0) {
    close(ends[0]);
    become_server(words, ends[1]);
  }
  atexit(end_server);
  close(ends[1]);
  address.sin_port = htons(read_port(ends[0]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(clock_getcpuclockid(server, &server_clock) == 0, "the server's clock");
}

/* ---- latencies ---- */

/* Counts: 64 for each power of two. */
static uint64_t latencies[64 * 64], measured;

static unsigned step_of(uint64_t ns) {
  unsigned power = ns < 64 ? 5 : 63 - (unsigned)__builtin_clzll(ns);
  return power == 5 ? (unsigned)ns
                    : (power - 5) * 64 + (unsigned)(ns >> (power - 6)) % 64;
}

static double ns_of(unsigned step) {
  unsigned power = step / 64 + 5;
  return power == 5 ? step : (double)((64ull + step % 64) << (power - 6));
}

static void add_latency(double seconds) {
  latencies[step_of((uint64_t)(seconds * 1e9))]++;
  measured++;
}

static double percentile(double part) {
  uint64_t before = 0, wanted = (uint64_t)((double)measured * part);
  unsigned step = 0;
  while (step < 64 * 64 - 1 && (before += latencies[step]) <= wanted)
    step++;
  return ns_of(step) / 1e3;
}

/* ---- connections ---- */

typedef struct connection {
  int fd;
  size_t sent, got;
  uint64_t serial; /* of the message, with which it begins */
  double since;
  char *message;
} connection;

static size_t message_size;

static int make_socket(void) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  check(fd >= 0, "socket");
  check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0,
        "connect");
  setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  return fd;
}

/* What blocks ends some time. */
static void set_patience(int fd) {
  struct timeval time = {PATIENCE / 1000, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static void watch(int epoll, connection *it) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
  event.data.ptr = it;
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, it->fd, &event) == 0, "epoll_ctl");
}

static void init_connection(connection *it, size_t size, unsigned number) {
  it->fd = make_socket();
  it->message = malloc(size);
  check(it->message != NULL, "malloc");
  for (size_t i = 0; i < size; i++)
    it->message[i] = (char)(i * 7 + i / 251 + number);
}

/* What the system takes at once; the rest when it says that it will. */
static void send_more(connection *it) {
  while (it->sent < message_size) {
    ssize_t n = send(it->fd, it->message + it->sent, message_size - it->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
      return;
    check(n > 0, "send");
    it->sent += (size_t)n;
  }
}

static void begin_message(connection *it, double time) {
  size_t n =
      message_size < sizeof it->serial ? message_size : sizeof it->serial;
  it->serial++;
  memcpy(it->message, &it->serial, n);
  it->sent = it->got = 0;
  it->since = time;
  send_more(it);
}

static bool is_compared(const connection *it) {
  return message_size <= COMPARED || it->serial % 16 == 0;
}

/* Takes what is there of the message; true: that was its end. */
static bool receive_more(connection *it) {
  while (it->got < message_size) {
    bool compared = is_compared(it);
    ssize_t n = recv(it->fd, room, message_size - it->got,
                     MSG_DONTWAIT | (compared ? 0 : MSG_TRUNC));
    if (n < 0 && errno == EAGAIN)
      return false;
    check(n >= 0, "recv");
    expect(n > 0, "the server closes early");
    expect(!compared || memcmp(room, it->message + it->got, (size_t)n) == 0,
           "what comes back is not what was sent");
    it->got += (size_t)n;
  }
  return true;
}

/* Nothing comes after it, but the end. True: it is there. */
static bool has_ended(connection *it, int flags) {
  ssize_t n = recv(it->fd, room, sizeof room, flags);
  if (n < 0 && errno == EAGAIN)
    return false;
  check(n >= 0, "recv");
  expect(n == 0, "more comes back than was sent");
  return true;
}

/* ---- echo, once ---- */

typedef struct window { /* what is measured, after a time of warming up */
  double start, end;
  double server_cpu, own_cpu;
  uint64_t messages;
  bool open, over;
} window;

static void message_came(window *it, double since, double time) {
  if (!it->open && time >= it->start) {
    it->open = true;
    it->start = time;
    it->server_cpu = server_time();
    it->own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    return;
  }
  if (!it->open || it->over)
    return;
  it->messages++;
  add_latency(time - since);
  if (time < it->end)
    return;
  it->over = true;
  it->end = time;
  it->server_cpu = server_time() - it->server_cpu;
  it->own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - it->own_cpu;
}

static void on_echo(connection *it, window *window, int epoll) {
  double time;
  (void)epoll;
  if (it->sent < message_size)
    send_more(it);
  if (!receive_more(it))
    return;
  time = now();
  message_came(window, it->since, time);
  begin_message(it, time);
}

static void on_once(connection *it, window *window, int epoll) {
  double time;
  if (it->sent < message_size)
    send_more(it);
  if (!receive_more(it) || !has_ended(it, MSG_DONTWAIT))
    return;
  close(it->fd);
  time = now();
  message_came(window, it->since, time);
  it->fd = make_socket();
  begin_message(it, time);
  watch(epoll, it);
}

/* Every echo is waited for, and then the end. */
static void end_echo(connection *all, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    struct pollfd ready = {all[i].fd, POLLIN, 0};
    while (!receive_more(&all[i])) {
      if (all[i].sent < message_size)
        ready.events |= POLLOUT;
      check(poll(&ready, 1, PATIENCE) > 0, "the server has stopped");
      send_more(&all[i]);
    }
    set_patience(all[i].fd);
    shutdown(all[i].fd, SHUT_WR);
    check(has_ended(&all[i], 0), "the server does not close");
  }
}

static void run_messages(bool once, double seconds, unsigned count) {
  void (*on_event)(connection *, window *, int) = once ? on_once : on_echo;
  struct epoll_event events[EVENTS];
  connection *all = calloc(count, sizeof *all);
  int epoll = epoll_create1(0);
  window window = {.start = now() + seconds / 5};
  window.end = window.start + seconds;
  for (unsigned i = 0; i < count; i++) {
    init_connection(&all[i], message_size, i);
    begin_message(&all[i], now());
    watch(epoll, &all[i]);
  }
  while (!window.over) {
    int n = epoll_wait(epoll, events, EVENTS, PATIENCE);
    expect(n > 0, "the server has stopped");
    for (int i = 0; i < n; i++)
      on_event(events[i].data.ptr, &window, epoll);
  }
  if (!once)
    end_echo(all, count);
  printf("%.0f %.3f %.1f %.1f %.2f %.1f\n",
         (double)window.messages / (window.end - window.start),
         window.server_cpu / (double)window.messages * 1e6, percentile(0.5),
         percentile(0.99), window.own_cpu / (window.end - window.start),
         server_memory() / MEGABYTE);
}

/* ---- sink, source ---- */

static void send_all(int fd, uint64_t bytes) {
  while (bytes > 0) {
    size_t size = bytes < BLOCK ? (size_t)bytes : BLOCK;
    ssize_t n = send(fd, room, size, MSG_NOSIGNAL);
    check(n > 0, "send");
    bytes -= (uint64_t)n;
  }
  shutdown(fd, SHUT_WR);
}

/* How many the server says that it got. */
static uint64_t read_count(int fd) {
  char text[32] = "";
  size_t got = 0;
  ssize_t n;
  while ((n = recv(fd, text + got, sizeof text - 1 - got, 0)) > 0)
    got += (size_t)n;
  check(n == 0, "recv");
  return strtoull(text, NULL, 10);
}

/* One megabyte of sixteen is looked at. */
static uint64_t receive_all(int fd) {
  uint64_t got = 0;
  ssize_t n;
  do {
    bool compared = got / ROOM % 16 == 0;
    n = recv(fd, room, sizeof room, compared ? 0 : MSG_TRUNC);
    check(n >= 0, "recv");
    for (ssize_t i = 0; compared && i < n; i++)
      expect(room[i] == (char)('a' + (got + (uint64_t)i) % 16),
             "what comes is not what the server is to send");
    got += (uint64_t)n;
  } while (n > 0);
  return got;
}

static void run_transfer(bool sink, uint64_t bytes) {
  int fd = make_socket();
  char text[32];
  double start = now(), cpu = server_time();
  uint64_t got;
  set_patience(fd);
  if (sink) {
    send_all(fd, bytes);
    got = read_count(fd);
  } else {
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)bytes);
    check(send(fd, text, (size_t)n, 0) == n, "send");
    got = receive_all(fd);
  }
  expect(got == bytes, "some bytes are missing, or too many");
  printf("%.0f %.2f\n", (double)bytes / MEGABYTE / (now() - start),
         (server_time() - cpu) * 1e6 / ((double)bytes / MEGABYTE));
}

/* ---- idle ---- */

#define SETTLE 300000 /* us */

static void run_idle(unsigned count) {
  connection it = {0};
  double memory, cpu;
  message_size = 64;
  usleep(SETTLE);
  memory = server_memory();
  cpu = server_time();
  for (unsigned i = 0; i < count; i++) {
    struct pollfd ready = {.events = POLLIN};
    free(it.message);
    init_connection(&it, message_size, i);
    ready.fd = it.fd;
    begin_message(&it, 0);
    while (!receive_more(&it))
      check(poll(&ready, 1, PATIENCE) > 0, "the server has stopped");
  }
  usleep(SETTLE);
  printf("%.0f %.1f\n", (server_memory() - memory) / count,
         (server_time() - cpu) / count * 1e6);
}

/* ---- all ---- */

static void raise_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  int words = 1;
  bool echo, once;
  double n;
  while (words < argc && strcmp(argv[words], "--") != 0)
    words++;
  echo = argc > 1 && strcmp(argv[1], "echo") == 0;
  once = argc > 1 && strcmp(argv[1], "once") == 0;
  if (words < (echo || once ? 5 : 3) || words + 1 >= argc) {
    fprintf(stderr, "usage: tcp_load MODE N [SIZE CONNECTIONS] -- SERVER...\n");
    return 2;
  }
  n = atof(argv[2]);
  raise_limit();
  start_server(argv + words + 1, argv[1]);
  pin(LOAD_CORE);
  if (echo || once) {
    message_size = (size_t)atol(argv[3]);
    expect(message_size > 0 && message_size <= ROOM, "no such size");
    run_messages(once, n / 1e3, (unsigned)atoi(argv[4]));
  } else if (strcmp(argv[1], "idle") == 0) {
    run_idle((unsigned)n);
  } else {
    run_transfer(strcmp(argv[1], "sink") == 0, (uint64_t)n << 20);
  }
  return 0;
}
