// Open files over a Unix socket: the CMSG macros of <sys/socket.h> cannot be seen from Swift.
#pragma once
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/// Open files that one message may carry; the kernel's bound is 253.
#define DESCRIPTORS_MAXIMUM 128

/// Connects to the Unix socket at `path`: a descriptor, or an error number below 0.
static inline int descriptors_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) return -errno;
    if (connect(made, (struct sockaddr *)&address, sizeof address) == 0) return made;
    int error = errno;
    close(made);
    return -error;
}

/// Sends one octet (a space) and `count` open files with it: 0, or an error number below 0.
static inline int descriptors_send(int socket, const int *files, int count) {
    union {
        char bytes[CMSG_SPACE(DESCRIPTORS_MAXIMUM * sizeof(int))];
        struct cmsghdr alignment;
    } control;
    char octet = ' ';
    struct iovec data = {.iov_base = &octet, .iov_len = 1};
    if (count < 1 || count > DESCRIPTORS_MAXIMUM) return -EINVAL;
    memset(&control, 0, sizeof control);
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(count * sizeof(int)),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), files, count * sizeof(int));
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL); while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/// Waits for octets and the open files that come with them: how many octets, 0 at the end, an error number below 0.
///
/// `files` has room for DESCRIPTORS_MAXIMUM; they are closed at exec. What the kernel had to cut off is an error.
static inline ssize_t descriptors_receive(
    int socket, void *octets, size_t room, int *files, int *count, int milliseconds
) {
    union {
        char bytes[CMSG_SPACE(DESCRIPTORS_MAXIMUM * sizeof(int))];
        struct cmsghdr alignment;
    } control;
    struct iovec data = {.iov_base = octets, .iov_len = room};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes,
    };
    struct pollfd wanted = {.fd = socket, .events = POLLIN};
    *count = 0;
    int ready = poll(&wanted, 1, milliseconds);
    if (ready <= 0) return ready < 0 ? -errno : -ETIMEDOUT;
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC); while (received < 0 && errno == EINTR);
    if (received < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int found = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(files + *count, CMSG_DATA(header), found * sizeof(int));
        *count += found;
    }
    return (message.msg_flags & MSG_CTRUNC) ? -EMFILE : received;
}

/// Raises how many files may be open to the hard bound: the bound now, and in `before` what it was; an error number below 0.
static inline long long descriptors_raise_limit(long long *before) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -errno;
    *before = (long long)limit.rlim_cur;
    if (limit.rlim_cur == limit.rlim_max) return (long long)limit.rlim_cur;
    rlim_t old = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return (long long)(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : old);
}

/// Forbids that a crash, or another program of the same user, gets a picture of the memory: 0, or an error number below 0.
static inline int descriptors_forbid_dumps(void) {
    struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return -errno;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -errno;
}
