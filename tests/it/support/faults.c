/* Storage that fails on request: preloaded into the daemon by faults.rs.
   FAULTS_FILE names a file; while a line of it says "CALL ERRNO SUFFIX", that call fails with that error on each file
   whose name ends so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(const char *call, int fd) {
    const char *path = getenv("FAULTS_FILE");
    char text[256], wanted[32], suffix[128], link[64], name[4096];
    int error = 0;
    if (!path) return 0;
    int faults = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    if (faults < 0) return 0;
    ssize_t length = syscall(SYS_read, faults, text, sizeof text - 1);
    syscall(SYS_close, faults);
    if (length <= 0) return 0;
    text[length] = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, name, sizeof name - 1);
    if (length <= 0) return 0;
    name[length] = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (sscanf(line, "%31s %d %127s", wanted, &error, suffix) != 3 || strcmp(wanted, call)) continue;
        size_t tail = strlen(suffix);
        if ((size_t)length < tail || strcmp(name + length - tail, suffix)) continue;
        errno = error;
        return 1;
    }
    return 0;
}

typedef ssize_t (*write_call)(int, const void *, size_t);
typedef ssize_t (*pwrite_call)(int, const void *, size_t, off_t);
typedef int (*sync_call)(int);
#define REAL(type, name) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t count) {
    REAL(write_call, "write");
    return fails("write", fd) ? -1 : real(fd, data, count);
}
ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) {
    REAL(pwrite_call, "pwrite");
    return fails("write", fd) ? -1 : real(fd, data, count, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
    REAL(pwrite_call, "pwrite64");
    return fails("write", fd) ? -1 : real(fd, data, count, offset);
}
int fsync(int fd) {
    REAL(sync_call, "fsync");
    return fails("fsync", fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(sync_call, "fdatasync");
    return fails("fsync", fd) ? -1 : real(fd);
}
