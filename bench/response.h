/* Reads an HTTP/1.1 response from pieces of any size. */
#ifndef BENCH_RESPONSE_H
#define BENCH_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

enum { RESPONSE_HEAD_BYTES = 8192 };

enum response_state {
    RESPONSE_HEAD,
    RESPONSE_BODY,
    RESPONSE_CHUNK_SIZE,
    RESPONSE_CHUNK,
    RESPONSE_CHUNK_END,
    RESPONSE_TRAILER,
    RESPONSE_DONE,
    RESPONSE_BROKEN,
};

struct response {
    enum response_state state;
    int status;
    /* Whether the server will close the connection after this response. */
    bool closes;
    bool until_close;
    size_t left;
    size_t line_bytes;
    size_t head_bytes;
    char head[RESPONSE_HEAD_BYTES];
};

typedef void body_handler(void *context, const char *body, size_t bytes);

void response_begin(struct response *response);

/* Parses the next bytes, passes on those of the body, and returns the state; bytes after RESPONSE_DONE are an error. */
enum response_state response_feed(struct response *response, const char *data, size_t bytes, body_handler *body,
                                  void *context);

/* Handles the end of the connection, which completes only a body without a length. */
enum response_state response_end(struct response *response);

#endif
