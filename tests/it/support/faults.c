/* Storage that fails on request: preloaded into the daemon by faults.rs.
   FAULTS_FILE names a file; while a line of it says "CALL ERRNO PATTERN", that call fails with that error on each file whose
   name ends like the pattern. "CALL ERRNO PATTERN LENGTH": only where it would make the file longer than that. With ERRNO 0 it
   waits until the line has gone. "stale ERRNO PATTERN": a handle that such a file is written or synced by is broken from then
   on, as after a network or a device was lost: it fails until it is closed, whatever becomes of the line. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* What a line says of this call on this file: an error, 0 to wait, or -1 where none says anything. */
static int fault(const char *faults, const char *call, const char *name, long long end) {
    char text[512], wanted[32], ending[128], pattern[130];
    int error = 0;
    int file = syscall(SYS_openat, AT_FDCWD, faults, O_RDONLY);
    if (file < 0) return -1;
    ssize_t length = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (length <= 0) return -1;
    text[length] = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        long long most = -1;
        if (sscanf(line, "%31s %d %127s %lld", wanted, &error, ending, &most) < 3 || strcmp(wanted, call)) continue;
        if (end >= 0 && end <= most) continue;
        snprintf(pattern, sizeof pattern, "*%s", ending);
        if (!fnmatch(pattern, name, 0)) return error;
    }
    return -1;
}

#define HANDLES 1024
static int stale[HANDLES];

static int fails(const char *call, int fd, long long end) {
    const char *faults = getenv("FAULTS_FILE");
    char link[64], name[4096];
    if (!faults) return 0;
    if (fd >= 0 && fd < HANDLES && stale[fd]) {
        errno = stale[fd];
        return 1;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length <= 0) return 0;
    name[length] = 0;
    int broken = fault(faults, "stale", name, -1);
    if (broken > 0 && fd < HANDLES) {
        errno = stale[fd] = broken;
        return 1;
    }
    for (;;) {
        int error = fault(faults, call, name, end);
        if (error < 0) return 0;
        if (error > 0) {
            errno = error;
            return 1;
        }
        usleep(5000);
    }
}

typedef ssize_t (*write_call)(int, const void *, size_t);
typedef ssize_t (*pwrite_call)(int, const void *, size_t, off_t);
typedef int (*sync_call)(int);
#define REAL(type, name) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t count) {
    REAL(write_call, "write");
    return fails("write", fd, -1) ? -1 : real(fd, data, count);
}
ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) {
    REAL(pwrite_call, "pwrite");
    return fails("write", fd, offset + (long long)count) ? -1 : real(fd, data, count, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
    REAL(pwrite_call, "pwrite64");
    return fails("write", fd, offset + (long long)count) ? -1 : real(fd, data, count, offset);
}
int close(int fd) {
    if (fd >= 0 && fd < HANDLES) stale[fd] = 0;
    return syscall(SYS_close, fd);
}
int fsync(int fd) {
    REAL(sync_call, "fsync");
    return fails("fsync", fd, -1) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(sync_call, "fdatasync");
    return fails("fsync", fd, -1) ? -1 : real(fd);
}
