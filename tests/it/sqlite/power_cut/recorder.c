/* Records what a daemon does to the files of one folder: preloaded by the tests of the power cut.
   RECORD_FOLDER is the folder, RECORD_TO the file that each record is appended to, in the order in which things happen.
   What is sent to others is recorded too, before it leaves: then a test knows what had been said at any moment.
   A sync is recorded when it has succeeded, with the place in the recording where it began: writes that were recorded later
   may not be part of it.
   Once a file RECORD_TO.kill is there, the process ends after its next record, as by kill -9: so nothing that it does is
   missing in the recording. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
    uint32_t kind, length;
    uint64_t a, b;
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static size_t folder_length;
static int recording = -1;
static char kill_file[PATH_MAX];

static uint64_t place(void) { return lseek(recording, 0, SEEK_END); }

static void record(char kind, uint64_t a, uint64_t b, const void *data, size_t length) {
    struct head head = {kind, length, a, b};
    struct iovec both[2] = {{&head, sizeof head}, {(void *)data, length}};
    if (syscall(SYS_writev, recording, both, 2) != (ssize_t)(sizeof head + length)) _exit(99);
    if (!faccessat(AT_FDCWD, kill_file, F_OK, 0)) kill(getpid(), SIGKILL);
}

__attribute__((constructor)) static void start(void) {
    const char *to = getenv("RECORD_TO");
    folder = getenv("RECORD_FOLDER");
    if (!folder || !to) return;
    folder_length = strlen(folder);
    snprintf(kill_file, sizeof kill_file, "%s.kill", to);
    recording = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (recording >= 0) record('b', 0, 0, 0, 0);
}

/* The name below the folder, "" for the folder itself, or null where it is elsewhere. */
static const char *below(const char *path) {
    if (recording < 0 || strncmp(path, folder, folder_length)) return 0;
    path += folder_length;
    return *path == '/' ? path + 1 : *path ? 0 : path;
}

static const char *name_of(int fd, char *space) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = recording < 0 ? -1 : readlink(link, space, PATH_MAX - 1);
    if (length < 0) return 0;
    space[length] = 0;
    return space;
}

static const char *file_of(int fd, char *space) {
    const char *name = name_of(fd, space);
    return name ? below(name) : 0;
}

static const char *file_at(int dirfd, const char *path, char *space) {
    if (path[0] == '/') return below(path);
    if (dirfd == AT_FDCWD ? !getcwd(space, PATH_MAX) : !name_of(dirfd, space)) return 0;
    size_t length = strlen(space);
    snprintf(space + length, PATH_MAX - length, "/%s", path);
    return below(space);
}

static uint64_t inode(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static int opened(int dirfd, const char *path, int flags, mode_t mode) {
    char space[PATH_MAX];
    pthread_mutex_lock(&order);
    int there = !(flags & O_CREAT) || !faccessat(dirfd, path, F_OK, 0);
    int fd = syscall(SYS_openat, dirfd, path, flags, mode);
    const char *name = fd < 0 || !(flags & (O_CREAT | O_TRUNC)) ? 0 : file_of(fd, space);
    if (name && !there) record('c', inode(fd), 0, name, strlen(name));
    if (name && there && flags & O_TRUNC) record('t', inode(fd), 0, 0, 0);
    pthread_mutex_unlock(&order);
    return fd;
}

#define MODE(flags)                                                                                                                     \
    mode_t mode = 0;                                                                                                                    \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                                            \
        va_list more;                                                                                                                   \
        va_start(more, flags);                                                                                                          \
        mode = va_arg(more, mode_t);                                                                                                    \
        va_end(more);                                                                                                                   \
    }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int dirfd, const char *path, int flags, ...) { MODE(flags) return opened(dirfd, path, flags, mode); }
int openat64(int dirfd, const char *path, int flags, ...) { MODE(flags) return opened(dirfd, path, flags, mode); }

/* offset: -1 for where the file stands. */
static ssize_t written(int fd, const void *data, size_t count, off_t offset) {
    char space[PATH_MAX];
    const char *name = name_of(fd, space);
    if (!name || !below(name)) {
        if (name && !strncmp(name, "socket:", 7)) return send(fd, data, count, MSG_NOSIGNAL);
        return offset < 0 ? syscall(SYS_write, fd, data, count) : syscall(SYS_pwrite64, fd, data, count, offset);
    }
    pthread_mutex_lock(&order);
    off_t at = offset >= 0 ? offset : lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t done = offset < 0 ? syscall(SYS_write, fd, data, count) : syscall(SYS_pwrite64, fd, data, count, offset);
    if (done > 0) record('w', inode(fd), at, data, done);
    pthread_mutex_unlock(&order);
    return done;
}
ssize_t write(int fd, const void *data, size_t count) { return written(fd, data, count, -1); }
ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) { return written(fd, data, count, offset); }
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) { return written(fd, data, count, offset); }

ssize_t send(int fd, const void *data, size_t count, int flags) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    if (recording >= 0 && !getpeername(fd, (struct sockaddr *)&peer, &length) && peer.sin_family == AF_INET) {
        pthread_mutex_lock(&order);
        record('n', ntohs(peer.sin_port), 0, data, count);
        pthread_mutex_unlock(&order);
    }
    return syscall(SYS_sendto, fd, data, count, flags, 0, 0);
}

static int truncated(int fd, off_t size) {
    char space[PATH_MAX];
    pthread_mutex_lock(&order);
    int failed = syscall(SYS_ftruncate, fd, size);
    if (!failed && file_of(fd, space)) record('t', inode(fd), size, 0, 0);
    pthread_mutex_unlock(&order);
    return failed;
}
int ftruncate(int fd, off_t size) { return truncated(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncated(fd, size); }

static int synced(long call, int fd) {
    char space[PATH_MAX];
    uint64_t since = recording < 0 ? 0 : place();
    int failed = syscall(call, fd);
    const char *name = failed ? 0 : file_of(fd, space);
    if (name) {
        pthread_mutex_lock(&order);
        record('s', inode(fd), since, name, strlen(name));
        pthread_mutex_unlock(&order);
    }
    return failed;
}
int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }

/* Of two names, one after the other: the first has a bytes. */
static int moved(char kind, long call, int from_dir, const char *from, int to_dir, const char *to, int flags) {
    char names[2 * PATH_MAX], first_space[PATH_MAX], second_space[PATH_MAX];
    const char *first = file_at(from_dir, from, first_space), *second = file_at(to_dir, to, second_space);
    pthread_mutex_lock(&order);
    int failed = syscall(call, from_dir, from, to_dir, to, flags);
    if (!failed && first && second) {
        size_t length = strlen(first);
        memcpy(names, first, length);
        memcpy(names + length, second, strlen(second));
        record(kind, length, 0, names, length + strlen(second));
    }
    pthread_mutex_unlock(&order);
    return failed;
}
int rename(const char *from, const char *to) { return moved('r', SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }
int link(const char *from, const char *to) { return moved('l', SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    return moved('l', SYS_linkat, from_dir, from, to_dir, to, flags);
}

int unlinkat(int dirfd, const char *path, int flags) {
    char space[PATH_MAX];
    const char *name = file_at(dirfd, path, space);
    pthread_mutex_lock(&order);
    int failed = syscall(SYS_unlinkat, dirfd, path, flags);
    if (!failed && name) record('u', 0, 0, name, strlen(name));
    pthread_mutex_unlock(&order);
    return failed;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
