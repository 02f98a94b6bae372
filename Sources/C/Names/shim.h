// The addresses of a name, as the system resolves it: <netdb.h> has them in a linked list that callers have to free.
// And records of DNS, which <resolv.h> asks for and <arpa/nameser.h> reads, both in structures that Swift cannot see.
#pragma once
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
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

/// A server that answers questions of DNS; an IPv4 address is mapped into IPv6.
struct names_server {
    unsigned char address[16];
    unsigned short port;
};

/// A record: of SRV all but the address, of A and AAAA the address, IPv4 mapped into IPv6.
struct names_record {
    unsigned short priority, weight, port;
    unsigned char address[16];
    char host[NS_MAXDNAME];
};

/// Servers that a question may have.
#define NAMES_SERVERS MAXNS

/// Lets `state` ask `servers` and nobody else.
static inline void names_use(struct __res_state *state, const struct names_server *servers, int count) {
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    if (count > MAXNS) count = MAXNS;
    for (int place = 0; place < count; place++) {
        if (memcmp(servers[place].address, mapped, 12) == 0) {
            struct sockaddr_in *v4 = &state->nsaddr_list[place];
            memset(v4, 0, sizeof *v4);
            v4->sin_family = AF_INET;
            v4->sin_port = htons(servers[place].port);
            memcpy(&v4->sin_addr, servers[place].address + 12, 4);
            continue;
        }
        // Where the list names no family, glibc takes what stands here, and frees it with the state.
        if (state->_u._ext.nsaddrs[place] == NULL) {
            state->_u._ext.nsaddrs[place] = (struct sockaddr_in6 *)calloc(1, sizeof(struct sockaddr_in6));
        }
        struct sockaddr_in6 *v6 = state->_u._ext.nsaddrs[place];
        if (v6 == NULL) continue;
        memset(v6, 0, sizeof *v6);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(servers[place].port);
        memcpy(&v6->sin6_addr, servers[place].address, 16);
        state->nsaddr_list[place].sin_family = 0;
    }
    state->nscount = count;
    state->_u._ext.nscount = 0;
}

/// Reads one record of `type`; whether it is whole.
static inline int names_read(const ns_msg *message, const ns_rr *record, int type, struct names_record *found) {
    const unsigned char *data = ns_rr_rdata(*record);
    int length = ns_rr_rdlen(*record);
    memset(found, 0, sizeof *found);
    switch (type) {
    case ns_t_a:
        if (length != 4) return 0;
        memset(found->address + 10, 0xFF, 2);
        memcpy(found->address + 12, data, 4);
        return 1;
    case ns_t_aaaa:
        if (length != 16) return 0;
        memcpy(found->address, data, 16);
        return 1;
    case ns_t_srv:
        if (length < 7) return 0;
        found->priority = ns_get16(data);
        found->weight = ns_get16(data + 2);
        found->port = ns_get16(data + 4);
        return dn_expand(ns_msg_base(*message), ns_msg_end(*message), data + 6, found->host, NS_MAXDNAME)
            == length - 6 ? 1 : 0;
    default:
        return 0;
    }
}

/// Asks for the records of a type; how many there are, up to `most`, or below 0 an error of <netdb.h>'s `h_errno`.
/// Puts the least of their times to live into `seconds`. Waits for the servers, those of the system if `count` is 0.
static inline int names_ask(
    const char *name, int type, const struct names_server *servers, int count,
    struct names_record *found, int most, unsigned *seconds
) {
    unsigned char answer[NS_MAXMSG];
    struct __res_state state;
    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0) return -NO_RECOVERY;
    if (count > 0) names_use(&state, servers, count);
    int length = res_nsearch(&state, name, ns_c_in, type, answer, sizeof answer);
    int error = state.res_h_errno;
    res_nclose(&state);
    if (length < 0) return error > 0 ? -error : -TRY_AGAIN;
    ns_msg message;
    if (length > (int)sizeof answer || ns_initparse(answer, length, &message) != 0) return -NO_RECOVERY;
    int have = 0;
    *seconds = 0xFFFFFFFF;
    for (int place = 0; place < ns_msg_count(message, ns_s_an) && have < most; place++) {
        ns_rr record;
        // A message that is not whole is no answer at all.
        if (ns_parserr(&message, ns_s_an, place, &record) != 0) return -NO_RECOVERY;
        if (ns_rr_type(record) != type || ns_rr_class(record) != ns_c_in) continue;
        if (!names_read(&message, &record, type, &found[have])) return -NO_RECOVERY;
        if (ns_rr_ttl(record) < *seconds) *seconds = ns_rr_ttl(record);
        have++;
    }
    return have > 0 ? have : -NO_DATA;
}

/// The host of a record.
static inline const char *names_host(const struct names_record *record) { return record->host; }

/// What an error of names_ask means, for people.
static inline const char *names_ask_reason(int error) { return hstrerror(-error); }
