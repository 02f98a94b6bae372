// The addresses of a name, as the system resolves it: <netdb.h> has them in a linked list that callers have to free.
#pragma once
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/// Addresses of one name that are kept; DNS answers over TCP may have more.
#define NAMES_MAXIMUM 256

/// The addresses of `name`, each in 16 octets of `addresses`, IPv4 ones mapped into IPv6: how many, or an error of
/// getaddrinfo below 0. Waits for the resolver.
static inline int names_look_up(const char *name, unsigned char *addresses) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int error = getaddrinfo(name, NULL, &hints, &found);
    if (error != 0) return error < 0 ? error : -error;
    int count = 0;
    for (struct addrinfo *each = found; each && count < NAMES_MAXIMUM; each = each->ai_next) {
        unsigned char *place = addresses + 16 * count;
        if (each->ai_family == AF_INET6) {
            memcpy(place, &((struct sockaddr_in6 *)each->ai_addr)->sin6_addr, 16);
        } else if (each->ai_family == AF_INET) {
            memset(place, 0, 10);
            memset(place + 10, 0xFF, 2);
            memcpy(place + 12, &((struct sockaddr_in *)each->ai_addr)->sin_addr, 4);
        } else {
            continue;
        }
        count++;
    }
    freeaddrinfo(found);
    return count;
}

/// What an error of getaddrinfo means, for people.
static inline const char *names_reason(int error) { return gai_strerror(error); }
