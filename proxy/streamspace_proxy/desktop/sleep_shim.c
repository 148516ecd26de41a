/* What keeping memory needs of the C library, preloaded into every program of a desktop (LD_PRELOAD).
 *
 * CRIU cannot dump System V segments of another namespace, nor inotify and fanotify handles on overlayfs. Toolkits do
 * without them when the kernel says that it has none: so it does, for them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int shmget(key_t key, size_t size, int flags) {
  (void)key, (void)size, (void)flags;
  errno = ENOSYS;
  return -1;
}

EXPORT int inotify_init(void) {
  errno = ENOSYS;
  return -1;
}

EXPORT int inotify_init1(int flags) {
  (void)flags;
  errno = ENOSYS;
  return -1;
}

EXPORT int fanotify_init(unsigned int flags, unsigned int event_flags) {
  (void)flags, (void)event_flags;
  errno = ENOSYS;
  return -1;
}

/* Move the PID cursor past `last` where ns_last_pid is read-only: in a container. Returns 0, or -1 with errno set. */
EXPORT int streamspace_pass_pids(pid_t last) {
  for (;;) {
    pid_t pid = vfork();
    if (pid == 0) _exit(0);
    if (pid < 0) return -1;
    while (waitpid(pid, NULL, 0) < 0)
      if (errno != EINTR) return -1;
    if (pid >= last) return 0;
  }
}
