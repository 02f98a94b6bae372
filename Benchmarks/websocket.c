// Messages of WebSocket through a proxy (RFC 6455): who sends them, and who sends them back.
//
//   websocket echo PORT                        answers every message with the same
//   websocket load PORT CONNECTIONS SECONDS    on each connection one message after the other, the next when the last is back
//   websocket ask PORT COUNT                   COUNT messages over one connection
//
// `load` and `ask` print `result MESSAGES FAILURES P50 P99`, times in microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, ROOM = 4096, SLOTS = 100000 };

typedef struct {
    int socket, open;
    size_t count;
    double sent;
    unsigned char octets[ROOM];
} Connection;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "websocket: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in address(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void say(int socket, const void *octets, size_t count) {
    int one = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    // A few octets to a peer that reads: they fit, or the peer is gone, which the next read tells.
    if (write(socket, octets, count) < 0 && errno != EPIPE && errno != ECONNRESET) fail("write");
}

static void watch(int events, Connection *connection) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(events, EPOLL_CTL_ADD, connection->socket, &event)) fail("epoll_ctl");
}

// Where a head ends that has come; 0 while it has not.
static size_t head_end(const Connection *connection) {
    const unsigned char *end = memmem(connection->octets, connection->count, "\r\n\r\n", 4);
    return end ? (size_t)(end - connection->octets) + 4 : 0;
}

static void forget(Connection *connection, size_t count) {
    connection->count -= count;
    memmove(connection->octets, connection->octets + count, connection->count);
}

// Takes what has come; 0 once the peer has closed.
static int take(Connection *connection) {
    ssize_t got = read(connection->socket, connection->octets + connection->count, ROOM - connection->count);
    if (got <= 0) return 0;
    connection->count += got;
    return 1;
}

// The length of the frame that has come whole, or 0; its payload stands at `*payload`. Frames here have short payloads.
static size_t frame(const Connection *connection, size_t *payload) {
    if (connection->count < 2) return 0;
    size_t masked = connection->octets[1] >> 7, length = connection->octets[1] & 127;
    *payload = 2 + 4 * masked;
    return connection->count >= *payload + length ? *payload + length : 0;
}

// MARK: The service

// The accepting value of RFC 6455 §4.2.2 for the one key that `load` sends, which is the example of §1.3.
static const char accepted[] =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

// Answers what has come on a connection; 0 if it is over.
static int answer(Connection *connection) {
    if (!connection->open) {
        size_t end = head_end(connection);
        if (!end) return connection->count < ROOM;
        if (!memmem(connection->octets, end, "dGhlIHNhbXBsZSBub25jZQ==", 24)) return 0;
        say(connection->socket, accepted, sizeof accepted - 1);
        connection->open = 1;
        forget(connection, end);
    }
    size_t payload, length;
    while ((length = frame(connection, &payload))) {
        unsigned char *octets = connection->octets, reply[2 + 127];
        size_t count = length - payload;
        if (payload != 6 || (octets[0] & 15) == 8) return 0;
        reply[0] = octets[0];
        reply[1] = count;
        for (size_t index = 0; index < count; index++) reply[2 + index] = octets[6 + index] ^ octets[2 + index % 4];
        say(connection->socket, reply, 2 + count);
        forget(connection, length);
    }
    return 1;
}

static void echo(const char *port) {
    int events = epoll_create1(0), one = 1;
    Connection listener = {.socket = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in own = address(port);
    setsockopt(listener.socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener.socket, (void *)&own, sizeof own) || listen(listener.socket, 4096)) fail("listen");
    watch(events, &listener);
    for (;;) {
        struct epoll_event ready[64];
        int count = epoll_wait(events, ready, 64, -1);
        for (int index = 0; index < count; index++) {
            Connection *connection = ready[index].data.ptr;
            if (connection == &listener) {
                connection = calloc(1, sizeof *connection);
                connection->socket = accept(listener.socket, NULL, NULL);
                if (connection->socket < 0) fail("accept");
                watch(events, connection);
            } else if (!take(connection) || !answer(connection)) {
                close(connection->socket);
                free(connection);
            }
        }
    }
}

// MARK: The load

static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
static unsigned char message[MESSAGE], question[6 + MESSAGE], reply[2 + MESSAGE];
static unsigned times[SLOTS];

static void prepare(void) {
    memset(message, 'x', MESSAGE);
    question[0] = reply[0] = 0x81;
    question[1] = 0x80 | MESSAGE;
    reply[1] = MESSAGE;
    memcpy(question + 2, mask, 4);
    memcpy(reply + 2, message, MESSAGE);
    for (int index = 0; index < MESSAGE; index++) question[6 + index] = message[index] ^ mask[index % 4];
}

static void begin(Connection *connection, const char *port) {
    char head[512];
    struct sockaddr_in peer = address(port);
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->socket, (void *)&peer, sizeof peer)) fail("connect");
    int count = snprintf(head, sizeof head,
        "GET /api/socket HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", port);
    say(connection->socket, head, count);
    size_t end;
    while (!(end = head_end(connection)))
        if (!take(connection)) fail("closed before the tunnel was open");
    if (!memmem(connection->octets, end, " 101 ", 5)) fail("no 101");
    forget(connection, end);
}

static void ask(Connection *connection) {
    connection->sent = now();
    say(connection->socket, question, sizeof question);
}

static void load(const char *port, int connections, double seconds, long most) {
    int events = epoll_create1(0), left = connections;
    long messages = 0, asked = connections, failures = 0;
    prepare();
    for (int index = 0; index < connections; index++) {
        Connection *connection = calloc(1, sizeof *connection);
        begin(connection, port);
        watch(events, connection);
        ask(connection);
    }
    double end = now() + seconds;
    while (left > 0) {
        struct epoll_event ready[64];
        int count = epoll_wait(events, ready, 64, 10000);
        if (count <= 0) {
            failures += left;
            break;
        }
        for (int index = 0; index < count; index++) {
            Connection *connection = ready[index].data.ptr;
            size_t payload;
            int stays = take(connection);
            if (stays && !frame(connection, &payload)) continue;
            if (!stays || connection->count != sizeof reply || memcmp(connection->octets, reply, sizeof reply)) {
                failures++;
                left--;
                close(connection->socket);
                continue;
            }
            double time = now(), took = (time - connection->sent) * 1e6;
            messages++;
            times[took < SLOTS ? (int)took : SLOTS - 1]++;
            connection->count = 0;
            if (time < end && asked < most) {
                asked++;
                ask(connection);
            } else {
                left--;
                close(connection->socket);
            }
        }
    }
    long seen = 0;
    int p50 = 0, p99 = 0;
    for (int slot = 0; slot < SLOTS; slot++) {
        seen += times[slot];
        if (seen * 2 < messages) p50 = slot + 1;
        if (seen * 100 < messages * 99) p99 = slot + 1;
    }
    printf("result %ld %ld %d %d\n", messages, failures, p50, p99);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    if (count == 3 && !strcmp(words[1], "echo")) echo(words[2]);
    else if (count == 5 && !strcmp(words[1], "load")) load(words[2], atoi(words[3]), atof(words[4]), 1L << 60);
    else if (count == 4 && !strcmp(words[1], "ask")) load(words[2], 1, 3600, atol(words[3]));
    else {
        fprintf(stderr, "usage: websocket echo PORT | load PORT CONNECTIONS SECONDS | ask PORT COUNT\n");
        return 2;
    }
    return 0;
}
