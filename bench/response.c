/* A parser of HTTP/1.1 responses that buffers only the head. */
#define _GNU_SOURCE
#include "response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void response_begin(struct response *r)
{
    r->state = RESPONSE_HEAD;
    r->status = 0;
    r->closes = r->until_close = false;
    r->left = r->line_bytes = r->head_bytes = 0;
}

static const char *find_header(const struct response *r, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(r->head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " ");
    return NULL;
}

static bool has_header(const struct response *r, const char *name, const char *value)
{
    const char *actual = find_header(r, name);
    return actual && !strncasecmp(actual, value, strlen(value));
}

static enum response_state state_after_head(struct response *r)
{
    const char *length = find_header(r, "content-length");
    r->status = r->head_bytes > 12 ? atoi(r->head + 9) : 0;
    r->closes = has_header(r, "connection", "close");
    if (has_header(r, "transfer-encoding", "chunked"))
        return RESPONSE_CHUNK_SIZE;
    r->left = length ? strtoul(length, NULL, 10) : 0;
    r->until_close = !length;
    return r->until_close || r->left ? RESPONSE_BODY : RESPONSE_DONE;
}

static size_t take_head(struct response *r, const char *data, size_t bytes)
{
    size_t before = r->head_bytes, room = sizeof r->head - 1 - before;
    size_t taken = bytes < room ? bytes : room;
    memcpy(r->head + before, data, taken);
    r->head[before + taken] = 0;
    char *end = strstr(r->head, "\r\n\r\n");
    if (!end) {
        r->head_bytes += taken;
        r->state = taken < bytes ? RESPONSE_BROKEN : RESPONSE_HEAD;
        return taken;
    }
    r->head_bytes = (size_t)(end + 4 - r->head);
    *end = 0;
    r->state = state_after_head(r);
    return r->head_bytes - before;
}

static size_t take_body(struct response *r, const char *data, size_t bytes, body_handler *body, void *context)
{
    size_t taken = r->until_close || bytes < r->left ? bytes : r->left;
    body(context, data, taken);
    r->left -= r->until_close ? 0 : taken;
    if (!r->until_close && !r->left)
        r->state = r->state == RESPONSE_CHUNK ? RESPONSE_CHUNK_END : RESPONSE_DONE;
    return taken;
}

/* Parses one character of a chunk's size, of the line break after a chunk, or of the trailer. */
static void take_framing(struct response *r, char character)
{
    bool line_ends = character == '\n';
    switch (r->state) {
    case RESPONSE_CHUNK_SIZE:
        if (!line_ends && r->line_bytes < 16)
            r->head[r->line_bytes++] = character;
        if (!line_ends)
            return;
        r->head[r->line_bytes] = 0;
        r->left = strtoul(r->head, NULL, 16);
        r->state = r->left ? RESPONSE_CHUNK : RESPONSE_TRAILER;
        r->line_bytes = 0;
        return;
    case RESPONSE_CHUNK_END:
        if (line_ends)
            r->state = RESPONSE_CHUNK_SIZE;
        return;
    default:
        if (line_ends && !r->line_bytes)
            r->state = RESPONSE_DONE;
        r->line_bytes = line_ends ? 0 : r->line_bytes + (character != '\r');
    }
}

enum response_state response_feed(struct response *r, const char *data, size_t bytes, body_handler *body, void *context)
{
    while (bytes && r->state != RESPONSE_BROKEN) {
        size_t taken = 1;
        if (r->state == RESPONSE_HEAD)
            taken = take_head(r, data, bytes);
        else if (r->state == RESPONSE_BODY || r->state == RESPONSE_CHUNK)
            taken = take_body(r, data, bytes, body, context);
        else if (r->state == RESPONSE_DONE)
            r->state = RESPONSE_BROKEN;
        else
            take_framing(r, *data);
        data += taken;
        bytes -= taken;
    }
    return r->state;
}

enum response_state response_end(struct response *r)
{
    bool complete = r->state == RESPONSE_BODY && r->until_close;
    return r->state = complete ? RESPONSE_DONE : RESPONSE_BROKEN;
}
