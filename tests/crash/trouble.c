/* LD_PRELOAD: a disk that fails and a clock that jumps, while a file says so.
 *
 *   TROUBLE=PATH   PATH.fsync: syncing a database file fails with EIO
 *                  PATH.full:  writing to one fails with ENOSPC
 *                  PATH.clock: its length in hours is how far the clock is set back
 *
 * Only files whose path has ".db" in it are meant, so that the log goes on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int is_broken(int fd, const char *how) {
    char flag[4096], link[64], path[4096];
    const char *base = getenv("TROUBLE");
    if (!base) return 0;
    snprintf(flag, sizeof flag, "%s.%s", base, how);
    if (access(flag, F_OK)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, ".db") != 0;
}

#define REAL(type, name) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, #name)
#define FAIL(how, number) if (is_broken(fd, how)) { errno = number; return -1; }

typedef int (*sync_t)(int);
typedef ssize_t (*write_t)(int, const void *, size_t);
typedef int (*clock_t_)(clockid_t, struct timespec *);
typedef ssize_t (*pwrite_t)(int, const void *, size_t, off_t);

int fsync(int fd) { REAL(sync_t, fsync); FAIL("fsync", EIO) return real(fd); }
int fdatasync(int fd) { REAL(sync_t, fdatasync); FAIL("fsync", EIO) return real(fd); }
ssize_t write(int fd, const void *data, size_t n) {
    REAL(write_t, write); FAIL("full", ENOSPC) return real(fd, data, n);
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    REAL(pwrite_t, pwrite); FAIL("full", ENOSPC) return real(fd, data, n, at);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) {
    REAL(pwrite_t, pwrite64); FAIL("full", ENOSPC) return real(fd, data, n, at);
}

/* Looked at every 20 ms: a clock is read more often than a file should be. */
static long hours_back(long long now_ns) {
    static long long looked_ns;
    static long hours;
    const char *base = getenv("TROUBLE");
    if (base && now_ns - looked_ns > 20000000) {
        char flag[4096];
        struct stat found;
        snprintf(flag, sizeof flag, "%s.clock", base);
        hours = stat(flag, &found) ? 0 : (long)found.st_size;
        looked_ns = now_ns;
    }
    return hours;
}

int clock_gettime(clockid_t which, struct timespec *at) {
    REAL(clock_t_, clock_gettime);
    int status = real(which, at);
    if (!status && which == CLOCK_REALTIME)
        at->tv_sec -= 3600 * hours_back(at->tv_sec * 1000000000LL + at->tv_nsec);
    return status;
}
