/*
 * pgroup.c: whether any process of a group still runs.
 *
 * The system counts those that have ended and that nobody has reaped, which in
 * a container may be for ever: where nothing but the program itself is there to
 * inherit them. Linux tells them apart in /proc.
 */
#ifdef __linux__
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#endif
#ifndef _WIN32
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#endif

#include "internal.h"
#include "processes.h"

#ifdef __linux__

/* "pid (name) state parent group ...", and the name may be anything. */
static bool is_running_in(const char *stat, int group) {
  const char *end = strrchr(stat, ')');
  char state;
  int parent, its;
  return end != NULL &&
         sscanf(end + 1, " %c %d %d", &state, &parent, &its) == 3 &&
         its == group && state != 'Z' && state != 'X';
}

static bool is_member(int proc, const char *pid, int group) {
  char path[32], stat[512];
  ssize_t n;
  int fd;
  snprintf(path, sizeof path, "%.20s/stat", pid);
  fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  n = read(fd, stat, sizeof stat - 1);
  close(fd);
  stat[n > 0 ? n : 0] = '\0';
  return is_running_in(stat, group);
}

/* If it cannot be known, some do. */
static bool has_running(int group) {
  DIR *proc = opendir("/proc");
  bool has = false;
  if (proc == NULL)
    return true;
  for (struct dirent *it; !has && (it = readdir(proc)) != NULL;)
    has = isdigit((unsigned char)*it->d_name) &&
          is_member(dirfd(proc), it->d_name, group);
  closedir(proc);
  return has;
}

#else

static bool has_running(int group) {
  (void)group;
  return true;
}

#endif

#ifndef _WIN32

bool tideR__group_runs(int group) {
  if (kill(-group, 0) < 0 && errno == ESRCH)
    return false;
  return has_running(group);
}

#endif
