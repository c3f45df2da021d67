/* A load generator for streamed audio: each user sends a request, reads and checks the whole response, and repeats.
 *
 * usage: load [options] http://127.0.0.1:PORT/PATH    (options.h lists the options)
 *
 * Prints one line of JSON. Uses loopback only; exits ten seconds after its time at the latest.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "options.h"
#include "response.h"
#include "samples.h"

enum { READ_BYTES = 256 * 1024, REQUEST_BYTES = 64 * 1024, EVENTS = 256, HTTP_OK = 200, NUMBER_DIGITS = 10 };
static const double NS_PER_MS = 1e6, NS_PER_SECOND = 1e9;
static const int64_t GRACE_NS = 10000000000, IDLE_NS = 100000000, AFTER_ERROR_NS = 10000000;

struct user {
    int fd;
    bool requesting, finished;
    int64_t next_request_ns, sent_ns, first_ns;
    size_t heard_bytes, heard_chunks;
    unsigned long asked_before;
    bool wrong;
    struct response response;
};

static struct {
    long ok, errors, bytes, chunks, late, starved;
    struct samples first_byte, total, lateness;
    char last_error[64];
} tally;

static int poller;
static unsigned char *audio;
static char request[REQUEST_BYTES], *request_number;
static size_t request_bytes;
static int64_t end_ns;

static void record_chunks(struct user *u, int64_t now)
{
    while (options.chunk_bytes && u->heard_bytes >= (u->heard_chunks + 1) * options.chunk_bytes) {
        double k = (double)u->heard_chunks++;
        double lateness = (double)(now - u->sent_ns) / NS_PER_MS - (options.first_ms + options.gap_ms * k);
        samples_add(&tally.lateness, lateness);
        tally.chunks++;
        tally.late += lateness > options.late_ms;
        tally.starved += options.play_ms > 0 && (double)(now - u->first_ns) / NS_PER_MS > options.play_ms * k;
    }
}

static void check_body(void *context, const char *body, size_t bytes)
{
    struct user *u = context;
    int64_t now = now_ns();
    if (!u->first_ns)
        u->first_ns = now;
    if (u->response.status != HTTP_OK)
        return;
    if (u->heard_bytes + bytes > options.body_bytes || memcmp(body, audio + u->heard_bytes, bytes))
        u->wrong = true;
    u->heard_bytes += bytes;
    record_chunks(u, now);
}

static void close_connection(struct user *u)
{
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
}

static void fail(struct user *u, const char *why)
{
    tally.errors++;
    snprintf(tally.last_error, sizeof tally.last_error, "%s", why);
    close_connection(u);
    u->requesting = false;
    u->next_request_ns = now_ns() + AFTER_ERROR_NS;
}

static void open_connection(struct user *u)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = u};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    u->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* A blocking connect takes no time on loopback, and needs no state of its own. */
    if (connect(u->fd, (struct sockaddr *)&address, sizeof address)) {
        close_connection(u);
        return;
    }
    setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(u->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, u->fd, &event);
}

/* Writes the number of the text into the request. Equal texts share one production, so their order matters. */
static void number_request(struct user *u)
{
    static unsigned long asked;
    unsigned long number = options.together ? u->asked_before++ : asked++;
    char digits[NUMBER_DIGITS + 1];
    if (!request_number)
        return;
    if (options.texts)
        number %= options.texts;
    snprintf(digits, sizeof digits, "%0*lu", NUMBER_DIGITS, (options.first_text + number) % 10000000000);
    memcpy(request_number, digits, NUMBER_DIGITS);
}

static void send_request(struct user *u)
{
    u->sent_ns = now_ns();
    u->finished = u->sent_ns >= end_ns;
    if (u->finished)
        return;
    if (u->fd < 0)
        open_connection(u);
    if (u->fd < 0) {
        fail(u, "cannot connect");
        return;
    }
    response_begin(&u->response);
    u->first_ns = 0;
    u->heard_bytes = u->heard_chunks = 0;
    u->wrong = false;
    u->requesting = true;
    number_request(u);
    if (send(u->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes)
        fail(u, "cannot send");
}

static void finish(struct user *u)
{
    char status[32];
    int64_t now = now_ns();
    snprintf(status, sizeof status, "status %d", u->response.status);
    if (u->response.status != HTTP_OK || u->wrong || u->heard_bytes != options.body_bytes) {
        fail(u, u->response.status != HTTP_OK ? status : "wrong audio");
        return;
    }
    tally.ok++;
    tally.bytes += (long)u->heard_bytes;
    samples_add(&tally.first_byte, (double)(u->first_ns - u->sent_ns) / NS_PER_MS);
    samples_add(&tally.total, (double)(now - u->sent_ns) / NS_PER_MS);
    if (u->response.closes || u->response.until_close)
        close_connection(u);
    u->requesting = false;
    send_request(u);
}

static void read_response(struct user *u)
{
    static char data[READ_BYTES];
    ssize_t bytes = recv(u->fd, data, sizeof data, 0);
    if (bytes < 0 && errno == EAGAIN)
        return;
    if (!u->requesting) {
        /* A server may close an idle connection; that is not a failure. */
        close_connection(u);
        return;
    }
    enum response_state state = bytes > 0 ? response_feed(&u->response, data, (size_t)bytes, check_body, u)
                                          : response_end(&u->response);
    if (state == RESPONSE_BROKEN)
        fail(u, bytes > 0 ? "not HTTP/1.1" : "cut");
    else if (state == RESPONSE_DONE)
        finish(u);
}

/* Starts all requests that are due; returns when the next is due, and whether any user is still active. */
static int64_t send_due_requests(struct user *users, bool *active)
{
    int64_t now = now_ns(), next = now + IDLE_NS;
    *active = false;
    for (struct user *u = users; u < users + options.users; u++) {
        if (!u->requesting && !u->finished && u->next_request_ns <= now)
            send_request(u);
        if (!u->requesting && !u->finished && u->next_request_ns < next)
            next = u->next_request_ns;
        *active |= u->requesting || !u->finished;
    }
    return next;
}

static void run(struct user *users)
{
    struct epoll_event events[EVENTS];
    bool active = true;
    while (active && now_ns() < end_ns + GRACE_NS) {
        int64_t wait = send_due_requests(users, &active) - now_ns();
        struct timespec timeout = duration_of_ns(active && wait > 0 ? wait : 0);
        int count = epoll_pwait2(poller, events, EVENTS, &timeout, NULL);
        for (int i = 0; i < count; i++)
            if (((struct user *)events[i].data.ptr)->fd >= 0)
                read_response(events[i].data.ptr);
    }
    for (struct user *u = users; u < users + options.users; u++)
        if (u->requesting)
            fail(u, "no end within ten seconds");
}

static void report(double seconds)
{
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    double cpu_seconds = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                         (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
    printf("{\"ok\": %ld, \"errors\": %ld, \"last_error\": \"%s\", \"seconds\": %.3f, \"requests_per_second\": %.2f, ",
           tally.ok, tally.errors, tally.last_error, seconds, (double)tally.ok / seconds);
    printf("\"audio_bytes\": %ld, \"cpu_seconds\": %.3f, ", tally.bytes, cpu_seconds);
    printf("\"chunks\": %ld, \"late_chunks\": %ld, \"starved_chunks\": %ld, ", tally.chunks, tally.late, tally.starved);
    samples_print(&tally.first_byte, "first_byte_ms");
    printf(", ");
    samples_print(&tally.total, "total_ms");
    printf(", ");
    samples_print(&tally.lateness, "lateness_ms");
    printf("}\n");
}

static void write_request(void)
{
    int bytes = snprintf(request, sizeof request,
                         "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
                         "content-length: %zu\r\n%s\r\n%s",
                         options.path, options.port, strlen(options.body), options.headers, options.body);
    if (bytes < 0 || (size_t)bytes >= sizeof request)
        options_refuse("the request is too long");
    request_bytes = (size_t)bytes;
    request_number = strstr(request, "##########");
}

int main(int count, char **arguments)
{
    options_read(count, arguments);
    write_request();
    audio = make_audio(options.body_bytes + READ_BYTES);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct user *users = calloc((size_t)options.users, sizeof *users);
    if (!users)
        die("calloc");
    int64_t start_ns = now_ns();
    end_ns = start_ns + (int64_t)(options.seconds * NS_PER_SECOND);
    for (int i = 0; i < options.users; i++) {
        users[i].fd = -1;
        users[i].next_request_ns = start_ns + (int64_t)(options.ramp_ms * NS_PER_MS * i / options.users);
    }
    run(users);
    report((double)(now_ns() - start_ns) / NS_PER_SECOND);
}
