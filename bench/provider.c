/* A fake ElevenLabs API that needs little CPU time: one thread, loopback only.
 *
 * usage: provider [PORT]    without PORT it chooses a free port, and prints it in the first line
 *
 * POST /v1/text-to-speech/{voice}..., where the voice selects the response:
 *   s-CHUNKS-BYTES-FIRST-GAP    chunked: CHUNKS chunks of BYTES bytes, the first after FIRST ms, then one every GAP ms
 *   u-BYTES-DELAY               with Content-Length, after DELAY ms
 * Numbers have leading zeros, because a voice id has at least 16 characters. For a path that ends in /with-timestamps,
 * each chunk is a line with a JSON record, on the same schedule.
 *
 * GET /calls returns the number of speech requests.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "common.h"

enum {
    REQUEST_BYTES = 16 * 1024,
    EVENTS = 256,
    /* Shortest time between two wake-ups: without it, sixty streams would wake the process sixty times. */
    TICK_NS = 200000,
};

struct connection {
    int fd;
    bool waits_to_write;
    struct answer answer;
    char request[REQUEST_BYTES];
    size_t request_bytes;
    char *out;
    size_t out_bytes, out_sent, out_capacity;
    struct connection *previous, *next;
};

static int poller;
static long calls;
static struct connection *connections;

static void watch(struct connection *c, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | (c->waits_to_write ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, operation, c->fd, &event);
}

static void close_connection(struct connection *c)
{
    if (c->previous)
        c->previous->next = c->next;
    else
        connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    close(c->fd);
    free(c->out);
    free(c);
}

static void put(struct connection *c, const void *data, size_t bytes)
{
    if (c->out_sent == c->out_bytes)
        c->out_sent = c->out_bytes = 0;
    if (c->out_bytes + bytes > c->out_capacity) {
        c->out_capacity = 2 * (c->out_bytes + bytes);
        c->out = realloc(c->out, c->out_capacity);
        if (!c->out)
            die("realloc");
    }
    memcpy(c->out + c->out_bytes, data, bytes);
    c->out_bytes += bytes;
}

/* Sends what is ready; false if the client has disconnected. */
static bool flush(struct connection *c)
{
    while (c->out_sent < c->out_bytes) {
        ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            break;
        c->out_sent += (size_t)sent;
    }
    bool waits = c->out_sent < c->out_bytes;
    if (waits != c->waits_to_write) {
        c->waits_to_write = waits;
        watch(c, EPOLL_CTL_MOD);
    }
    return true;
}

static void put_chunk(struct connection *c, const char *piece, size_t bytes)
{
    char size[16];
    bool chunked = c->answer.chunked;
    if (chunked)
        put(c, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", bytes));
    put(c, piece, bytes);
    if (chunked)
        put(c, "\r\n", 2);
    if (chunked && !c->answer.active)
        put(c, "0\r\n\r\n", 5);
}

/* Sends every chunk that is due. Like the real API, it sends the head together with the first chunk. */
static bool advance(struct connection *c, int64_t now)
{
    struct answer *a = &c->answer;
    while (a->active && a->due_ns <= now) {
        const char *piece;
        char head[256];
        size_t bytes = answer_piece(a, &piece);
        if (!a->begun)
            put(c, head, answer_head(a, bytes, head, sizeof head));
        a->begun = true;
        put_chunk(c, piece, bytes);
    }
    return flush(c);
}

static void send_call_count(struct connection *c)
{
    char reply[96];
    int bytes = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n%20ld", calls);
    put(c, reply, (size_t)bytes);
}

static void begin_answer(struct connection *c)
{
    static const char count[] = "GET /calls ", refusal[] = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    if (answer_begin(&c->answer, c->request, now_ns()))
        calls++;
    else if (!strncmp(c->request, count, sizeof count - 1))
        send_call_count(c);
    else
        put(c, refusal, sizeof refusal - 1);
}

/* Returns the length of the first request in the buffer, head and body, or 0 while it is incomplete. */
static size_t find_request(const struct connection *c)
{
    const char *end = strstr(c->request, "\r\n\r\n");
    if (!end)
        return 0;
    size_t body_bytes = 0;
    for (const char *line = strstr(c->request, "\r\n"); line < end; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, "content-length:", 15))
            body_bytes = strtoul(line + 17, NULL, 10);
    size_t bytes = (size_t)(end + 4 - c->request) + body_bytes;
    return bytes <= c->request_bytes ? bytes : 0;
}

static bool answer_requests(struct connection *c)
{
    size_t bytes;
    while (!c->answer.active && (bytes = find_request(c))) {
        begin_answer(c);
        c->request_bytes -= bytes;
        memmove(c->request, c->request + bytes, c->request_bytes + 1);
        if (!advance(c, now_ns()))
            return false;
    }
    return true;
}

static bool receive(struct connection *c)
{
    size_t room = REQUEST_BYTES - 1 - c->request_bytes;
    ssize_t bytes = recv(c->fd, c->request + c->request_bytes, room, 0);
    if (bytes < 0)
        return errno == EAGAIN;
    /* If the buffer is full, recv returns 0 as at the end of the connection, which refuses the request. */
    if (bytes == 0)
        return false;
    c->request_bytes += (size_t)bytes;
    c->request[c->request_bytes] = 0;
    return answer_requests(c);
}

static void accept_all(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            die("calloc");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        c->next = connections;
        if (connections)
            connections->previous = c;
        connections = c;
        watch(c, EPOLL_CTL_ADD);
    }
}

/* Continues every response; returns the time when the next chunk is due, or -1 if there is no further chunk. */
static int64_t advance_all(void)
{
    int64_t now = now_ns(), next_due = -1;
    for (struct connection *c = connections, *next; c; c = next) {
        next = c->next;
        if (c->answer.active && c->answer.due_ns <= now && !(advance(c, now) && answer_requests(c)))
            close_connection(c);
        else if (c->answer.active && (next_due < 0 || c->answer.due_ns < next_due))
            next_due = c->answer.due_ns;
    }
    return next_due >= 0 && next_due < now + TICK_NS ? now + TICK_NS : next_due;
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof address;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, SOMAXCONN))
        die("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void serve(int listener)
{
    struct epoll_event events[EVENTS], accepting = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &accepting);
    for (int64_t due = -1;; due = advance_all()) {
        int64_t wait = due - now_ns();
        struct timespec timeout = duration_of_ns(wait > 0 ? wait : 0);
        int count = epoll_pwait2(poller, events, EVENTS, due < 0 ? NULL : &timeout, NULL);
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                accept_all(listener);
            else if (!(flush(c) && (!(events[i].events & ~(uint32_t)EPOLLOUT) || receive(c))))
                close_connection(c);
        }
    }
}

int main(int count, char **arguments)
{
    /* The benchmark may be killed; a provider that stayed behind would hold its port. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    answers_prepare();
    poller = epoll_create1(EPOLL_CLOEXEC);
    serve(listen_on(count > 1 ? atoi(arguments[1]) : 0));
}
