/*
 * pty.c: runs a command on a terminal of its own and plays a user at it.
 *
 *   pty SCRIPT COMMAND [ARG...]
 *
 * Prints what the command prints and ends with its status, or 124 when
 * something that was waited for did not come; then the last line tells what.
 * The script has a directive on each line; \n \r \e \\ and \xHH stand for
 * bytes:
 *
 *   expect TEXT   reads until that was printed, after what was expected last
 *   send TEXT     types it
 *   mode cooked   the terminal shows what is typed and gathers lines; or raw
 *   kill NUMBER   sends the command a signal
 *   stopped       waits until the command is stopped
 *   size COLUMNS  how wide the terminal is from now on
 *   insist TEXT   types it again and again until the command has ended
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { STEP_MS = 20000, ROOM = 1 << 18 };

static int terminal;      /* the user's end */
static pid_t leader;      /* of the command's session */
static pid_t child;       /* the command */
static int news;          /* from the leader: that the command was stopped */
static char output[ROOM]; /* all that was printed */
static size_t length, matched;
static bool hung_up;
static int ended_with;

static void fail(const char *what, const char *detail) {
  kill(child, SIGKILL);
  fwrite(output, 1, length, stdout);
  printf("\npty: %s %s\n", what, detail);
  exit(124);
}

static int become(char **command) {
  setpgid(0, 0);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(0, getpid());
  signal(SIGTTOU, SIG_DFL);
  execvp(command[0], command);
  return 127;
}

static int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* As a shell: what has no parent in its session cannot be stopped by a key. */
static int lead(char **command, const char *name) {
  int status;
  pid_t job;
  setsid();
  int fd = open(name, O_RDWR);
  if (fd < 0)
    return 126;
  ioctl(fd, TIOCSCTTY, 0);
  for (int i = 0; i < 3; i++)
    dup2(fd, i);
  if (fd > 2)
    close(fd);
  job = fork();
  if (job == 0)
    _exit(become(command));
  if (write(news, &job, sizeof job) != sizeof job)
    return 126;
  while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status))
    if (write(news, &job, sizeof job) != sizeof job)
      return 126;
  return exit_code(status);
}

static void start(char **command) {
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  int ends[2];
  terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0 ||
      pipe(ends) < 0) {
    perror("pty");
    exit(125);
  }
  ioctl(terminal, TIOCSWINSZ, &size);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  leader = fork();
  if (leader == 0) {
    close(ends[0]);
    news = ends[1];
    _exit(lead(command, ptsname(terminal)));
  }
  close(ends[1]);
  news = ends[0];
  if (read(news, &child, sizeof child) != sizeof child)
    exit(125);
}

/* Reads what there is; false: nothing came in time, or will come. */
static bool read_some(int ms) {
  struct pollfd fd = {.fd = terminal, .events = POLLIN};
  ssize_t n;
  if (hung_up || poll(&fd, 1, ms) <= 0)
    return false;
  n = read(terminal, output + length, ROOM - 1 - length);
  if (n <= 0) { /* Linux: EIO when the command has closed its end */
    hung_up = true;
    return false;
  }
  length += (size_t)n;
  output[length] = '\0';
  return true;
}

static unsigned hex(const char *digits) {
  char text[3] = {digits[0], digits[0] ? digits[1] : '\0', '\0'};
  return (unsigned)strtoul(text, NULL, 16);
}

/* In place; returns the length. */
static size_t unescape(char *text) {
  char *to = text;
  for (const char *from = text; *from != '\0'; from++) {
    if (*from != '\\') {
      *to++ = *from;
      continue;
    }
    switch (*++from) {
    case 'n':
      *to++ = '\n';
      break;
    case 'r':
      *to++ = '\r';
      break;
    case 'e':
      *to++ = '\033';
      break;
    case 'x':
      *to++ = (char)hex(from + 1);
      from += 2;
      break;
    default:
      *to++ = *from;
    }
  }
  *to = '\0';
  return (size_t)(to - text);
}

static void expect(char *text) {
  size_t n = unescape(text);
  char *found;
  while ((found = memmem(output + matched, length - matched, text, n)) == NULL)
    if (!read_some(STEP_MS))
      fail("expected", text);
  matched = (size_t)(found - output) + n;
}

static void send_text(char *text) {
  size_t n = unescape(text);
  if (write(terminal, text, n) != (ssize_t)n)
    fail("cannot send", text);
}

static bool has_mode(const char *mode) {
  struct termios now;
  bool cooked;
  if (tcgetattr(terminal, &now) < 0)
    return false;
  cooked = (now.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG);
  return cooked == (strcmp(mode, "cooked") == 0);
}

/* It may come to it only after it has printed what was expected, and go through
 * the other on its way. */
static void check_mode(const char *mode) {
  for (int i = 0; i < STEP_MS / 10; i++) {
    if (has_mode(mode))
      return;
    read_some(10);
  }
  fail("the mode is not", mode);
}

static void wait_stopped(void) {
  struct pollfd fd = {.fd = news, .events = POLLIN};
  pid_t stopped;
  for (int i = 0; i < STEP_MS / 10; i++) {
    if (poll(&fd, 1, 0) > 0 &&
        read(news, &stopped, sizeof stopped) == sizeof stopped)
      return;
    read_some(10);
  }
  fail("it did not stop", "");
}

static bool has_ended(void) {
  if (leader != 0 && waitpid(leader, &ended_with, WNOHANG) == leader)
    leader = 0;
  return leader == 0;
}

static void insist(char *text) {
  size_t n = unescape(text);
  for (int i = 0; i < STEP_MS / 50 && !has_ended(); i++) {
    if (write(terminal, text, n) < 0)
      break;
    read_some(0);
    usleep(50000); /* signals that come at once are one */
  }
}

static void set_size(int columns) {
  struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
  ioctl(terminal, TIOCSWINSZ, &size); /* sends SIGWINCH */
}

static void play(char *line) {
  char *text = strchr(line, ' ');
  if (text != NULL)
    *text++ = '\0';
  else
    text = line + strlen(line);
  if (strcmp(line, "expect") == 0)
    expect(text);
  else if (strcmp(line, "send") == 0)
    send_text(text);
  else if (strcmp(line, "mode") == 0)
    check_mode(text);
  else if (strcmp(line, "kill") == 0)
    kill(child, atoi(text));
  else if (strcmp(line, "stopped") == 0)
    wait_stopped();
  else if (strcmp(line, "insist") == 0)
    insist(text);
  else if (strcmp(line, "size") == 0)
    set_size(atoi(text));
  else if (*line != '\0')
    fail("no such directive:", line);
}

static int end(void) {
  for (int i = 0; i < STEP_MS / 10 && !has_ended(); i++)
    if (!read_some(10))
      usleep(1000);
  if (!has_ended())
    fail("it did not end", "");
  while (read_some(50))
    continue;
  fwrite(output, 1, length, stdout);
  return exit_code(ended_with);
}

int main(int argc, char **argv) {
  static char line[4096];
  FILE *script;
  if (argc < 3 || (script = fopen(argv[1], "r")) == NULL) {
    fprintf(stderr, "usage: pty SCRIPT COMMAND [ARG...]\n");
    return 125;
  }
  start(argv + 2);
  while (fgets(line, sizeof line, script) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    play(line);
  }
  fclose(script);
  return end();
}
