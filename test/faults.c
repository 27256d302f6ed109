/*
 * faults.c: put before libc by LD_PRELOAD, it makes calls on sockets and files
 * fail as the rules of FAULTS say, separated by spaces:
 *
 *   CALLS=FAULT/EVERY[+AFTER][xTIMES]    read,recv=EINTR/3
 *
 * The calls by their names, or `in`, `out` for those that read or write; of
 * files those are `get` and `put`, and FAULTS_PATH is in the paths of which
 * others fail; `fork` and `pipe` make children; the name of an error, or `one`
 * or `some`: a byte, or a few, are read or written. Every EVERY-th call, or by
 * chance one of so many if that begins with `~`; after AFTER calls; at most
 * TIMES times. What an error stands for is not done. FAULTS_SEED is the
 * chance's, FAULTS_LOG a file that is told at the end how many faults there
 * were of each rule.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#pragma GCC visibility push(default)

enum call {
  READ,
  READV,
  RECV,
  RECVMSG,
  WRITE,
  WRITEV,
  SEND,
  SENDMSG,
  ACCEPT4,
  CONNECT,
  SOCKET,
  EPOLL,
  GET,
  PUT,
  OPEN,
  OPENDIR,
  RENAME,
  FSYNC,
  FORK,
  PIPE,
  CALLS
};

#define INS 0x00fu
#define OUTS 0x0f0u
#define ONE (-1)
#define SOME (-2)

static const char *const call_names[CALLS] = {
    "read",    "readv",   "recv",    "recvmsg", "write", "writev", "send",
    "sendmsg", "accept4", "connect", "socket",  "epoll", "get",    "put",
    "open",    "opendir", "rename",  "fsync",   "fork",  "pipe"};

static const struct {
  const char *name;
  int code;
} faults[] = {{"one", ONE},
              {"some", SOME},
              {"EINTR", EINTR},
              {"EAGAIN", EAGAIN},
              {"ECONNRESET", ECONNRESET},
              {"ECONNABORTED", ECONNABORTED},
              {"ECONNREFUSED", ECONNREFUSED},
              {"EPIPE", EPIPE},
              {"EMFILE", EMFILE},
              {"ENFILE", ENFILE},
              {"ENOBUFS", ENOBUFS},
              {"ENOMEM", ENOMEM},
              {"ENOSPC", ENOSPC},
              {"EACCES", EACCES},
              {"EIO", EIO}};

static struct rule {
  unsigned calls; /* a bit for each */
  int fault;
  bool by_chance;
  long every, after, times;
  long seen, done;
} rules[16];
static unsigned count;
static pid_t own; /* process */
static uint64_t chance = 1;

/* ---- rules ---- */

static void give_up(const char *text) {
  fprintf(stderr, "faults: what is '%s'?\n", text);
  _exit(2);
}

static unsigned parse_calls(char *names) {
  unsigned calls = 0;
  char *save;
  for (char *name = strtok_r(names, ",", &save); name != NULL;
       name = strtok_r(NULL, ",", &save)) {
    unsigned found = strcmp(name, "in") == 0    ? INS
                     : strcmp(name, "out") == 0 ? OUTS
                                                : 0;
    for (unsigned i = 0; i < CALLS; i++)
      if (strcmp(name, call_names[i]) == 0)
        found = 1u << i;
    if (found == 0)
      give_up(name);
    calls |= found;
  }
  return calls;
}

static int parse_fault(const char *name) {
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    if (strcmp(name, faults[i].name) == 0)
      return faults[i].code;
  give_up(name);
  return 0;
}

static void parse_rule(char *text) {
  struct rule *rule = &rules[count++];
  char *fault = strchr(text, '='), *every = strchr(text, '/');
  if (fault == NULL || every == NULL || count == 16)
    give_up(text);
  *fault++ = *every++ = '\0';
  rule->by_chance = *every == '~';
  rule->every = strtol(every + rule->by_chance, &every, 10);
  rule->times = -1;
  if (*every == '+')
    rule->after = strtol(every + 1, &every, 10);
  if (*every == 'x')
    rule->times = strtol(every + 1, &every, 10);
  if (*every != '\0' || rule->every < 1)
    give_up(every);
  rule->calls = parse_calls(text);
  rule->fault = parse_fault(fault);
}

__attribute__((constructor)) static void begin(void) {
  const char *said = getenv("FAULTS"), *seed = getenv("FAULTS_SEED");
  static char text[1024];
  char *save;
  own = getpid();
  snprintf(text, sizeof text, "%s", said != NULL ? said : "");
  if (seed != NULL)
    chance = strtoull(seed, NULL, 10) * 2 + 1;
  for (char *rule = strtok_r(text, " ", &save); rule != NULL;
       rule = strtok_r(NULL, " ", &save))
    parse_rule(rule);
}

__attribute__((destructor)) static void end(void) {
  const char *name = getenv("FAULTS_LOG");
  FILE *log = name != NULL ? fopen(name, "w") : NULL;
  if (log == NULL)
    return;
  for (unsigned i = 0; i < count; i++)
    fprintf(log, "%ld\n", rules[i].done);
  fclose(log);
}

/* ---- what becomes of a call ---- */

static uint64_t next_chance(uint64_t below) {
  chance = chance * 6364136223846793005u + 1442695040888963407u;
  return (chance >> 33) % below;
}

static bool is_due(struct rule *rule) {
  if (rule->seen++ < rule->after || rule->done == rule->times)
    return false;
  if (rule->by_chance ? next_chance((uint64_t)rule->every) > 0
                      : (rule->seen - rule->after) % rule->every != 0)
    return false;
  rule->done++;
  return true;
}

static bool is_socket(int fd) {
  int type, saved = errno;
  socklen_t size = sizeof type;
  bool is = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  errno = saved;
  return is;
}

/* 0: nothing; ONE, SOME; or errno was set: the call fails. */
static int fault_by_rule(enum call call) {
  for (unsigned i = 0; i < count; i++) {
    struct rule *rule = &rules[i];
    if (!(rule->calls & 1u << call) || !is_due(rule))
      continue;
    if (rule->fault > 0)
      errno = rule->fault;
    return rule->fault;
  }
  return 0;
}

/* What reads and writes is of sockets, and else of files. */
static int fault_of(enum call call, int fd) {
  struct stat what;
  if (fd < 0 || is_socket(fd))
    return fault_by_rule(call);
  if ((call != READ && call != WRITE) || fstat(fd, &what) < 0 ||
      !S_ISREG(what.st_mode))
    return 0;
  return fault_by_rule(call == READ ? GET : PUT);
}

/* Without a path of that kind, nothing fails. */
static int fault_at(enum call call, const char *path) {
  static const char *part;
  if (part == NULL)
    part = getenv("FAULTS_PATH");
  if (part == NULL || strstr(path, part) == NULL)
    return 0;
  return fault_by_rule(call);
}

static size_t less(int fault, size_t n) {
  if (fault == 0 || n <= 1)
    return n;
  return fault == ONE ? 1 : 1 + (size_t)next_chance(n < 100 ? n : 100);
}

/* Once the peer has closed, libuv (to 1.51) takes a part for all that there is,
 * which it is but here. */
static int fault_of_reading(enum call call, int fd) {
  struct pollfd it = {.fd = fd};
  int fault = fault_of(call, fd);
  if (fault < 0 && poll(&it, 1, 0) == 1 && it.revents & POLLHUP)
    return 0;
  return fault;
}

/* The first that is not empty, and as much of it. */
static const struct iovec *less_of(int fault, const struct iovec *iov, int *n,
                                   struct iovec *part) {
  if (fault == 0)
    return iov;
  while (*n > 1 && iov->iov_len == 0)
    iov++, --*n;
  *part = *iov;
  part->iov_len = less(fault, part->iov_len);
  *n = 1;
  return part;
}

#define NEXT(name) \
  static __typeof__(name) *next; \
  if (next == NULL) \
  next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define FAULT(call, fd) \
  int fault = \
      (call) < WRITE ? fault_of_reading(call, fd) : fault_of(call, fd); \
  if (fault > 0) \
  return -1

ssize_t read(int fd, void *to, size_t n) {
  NEXT(read);
  FAULT(READ, fd);
  return next(fd, to, less(fault, n));
}

ssize_t write(int fd, const void *from, size_t n) {
  NEXT(write);
  FAULT(WRITE, fd);
  return next(fd, from, less(fault, n));
}

ssize_t recv(int fd, void *to, size_t n, int flags) {
  NEXT(recv);
  FAULT(RECV, fd);
  return next(fd, to, less(fault, n), flags);
}

ssize_t send(int fd, const void *from, size_t n, int flags) {
  NEXT(send);
  FAULT(SEND, fd);
  return next(fd, from, less(fault, n), flags);
}

ssize_t readv(int fd, const struct iovec *iov, int n) {
  struct iovec part;
  NEXT(readv);
  FAULT(READV, fd);
  iov = less_of(fault, iov, &n, &part);
  return next(fd, iov, n);
}

ssize_t writev(int fd, const struct iovec *iov, int n) {
  struct iovec part;
  NEXT(writev);
  FAULT(WRITEV, fd);
  iov = less_of(fault, iov, &n, &part);
  return next(fd, iov, n);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  NEXT(recvmsg);
  FAULT(RECVMSG, fd);
  return next(fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  struct msghdr less = *message;
  struct iovec part;
  int n = (int)message->msg_iovlen;
  NEXT(sendmsg);
  FAULT(SENDMSG, fd);
  less.msg_iov = (struct iovec *)less_of(fault, message->msg_iov, &n, &part);
  less.msg_iovlen = (size_t)n;
  return next(fd, &less, flags);
}

int accept4(int fd, struct sockaddr *at, socklen_t *size, int flags) {
  NEXT(accept4);
  FAULT(ACCEPT4, fd);
  return next(fd, at, size, flags);
}

int connect(int fd, const struct sockaddr *at, socklen_t size) {
  NEXT(connect);
  FAULT(CONNECT, fd);
  return next(fd, at, size);
}

int socket(int domain, int type, int protocol) {
  NEXT(socket);
  FAULT(SOCKET, -1);
  return next(domain, type, protocol);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout) {
  NEXT(epoll_wait);
  FAULT(EPOLL, -1);
  return next(fd, events, most, timeout);
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout,
                const sigset_t *mask) {
  NEXT(epoll_pwait);
  FAULT(EPOLL, -1);
  return next(fd, events, most, timeout, mask);
}

/* ---- files ---- */

#define READS_AT(name) \
  ssize_t name(int fd, void *to, size_t n, off_t at) { \
    NEXT(name); \
    FAULT(READ, fd); \
    return next(fd, to, less(fault, n), at); \
  }

#define WRITES_AT(name) \
  ssize_t name(int fd, const void *from, size_t n, off_t at) { \
    NEXT(name); \
    FAULT(WRITE, fd); \
    return next(fd, from, less(fault, n), at); \
  }

READS_AT(pread)
READS_AT(pread64)
WRITES_AT(pwrite)
WRITES_AT(pwrite64)

#ifdef RWF_NOWAIT
#define READS_VECTOR_AT(name) \
  ssize_t name(int fd, const struct iovec *iov, int n, off_t at, int flags) { \
    struct iovec part; \
    NEXT(name); \
    FAULT(READ, fd); \
    iov = less_of(fault, iov, &n, &part); \
    return next(fd, iov, n, at, flags); \
  }

READS_VECTOR_AT(preadv2)
READS_VECTOR_AT(preadv64v2)
#endif

#define OPENS(name) \
  int name(const char *path, int flags, ...) { \
    va_list more; \
    mode_t mode; \
    NEXT(name); \
    va_start(more, flags); \
    mode = va_arg(more, mode_t); \
    va_end(more); \
    return fault_at(OPEN, path) > 0 ? -1 : next(path, flags, mode); \
  }

OPENS(open)
OPENS(open64)

DIR *opendir(const char *path) {
  NEXT(opendir);
  return fault_at(OPENDIR, path) > 0 ? NULL : next(path);
}

int rename(const char *path, const char *to) {
  NEXT(rename);
  return fault_at(RENAME, path) > 0 ? -1 : next(path, to);
}

int fsync(int fd) {
  NEXT(fsync);
  return fault_by_rule(FSYNC) > 0 ? -1 : next(fd);
}

int fdatasync(int fd) {
  NEXT(fdatasync);
  return fault_by_rule(FSYNC) > 0 ? -1 : next(fd);
}

/* ---- children ---- */

pid_t fork(void) {
  NEXT(fork);
  return fault_by_rule(FORK) > 0 ? -1 : next();
}

/* Not in a child: libuv makes one there, in place of two that it closes, and
 * aborts if it cannot. */
int pipe2(int fds[2], int flags) {
  NEXT(pipe2);
  return getpid() == own && fault_by_rule(PIPE) > 0 ? -1 : next(fds, flags);
}
