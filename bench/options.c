/* Reads the command line of the load generator. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = {.users = 1, .seconds = 1, .body = "{}", .late_ms = 50};

_Noreturn void options_refuse(const char *why)
{
    fprintf(stderr, "load: %s; options.h lists the options\n", why);
    exit(2);
}

static void read_url(const char *url)
{
    static char path[2048];
    if (sscanf(url, "http://127.0.0.1:%d%2047s", &options.port, path) != 2 || *path != '/')
        options_refuse("the URL must be http://127.0.0.1:PORT/PATH");
    options.path = path;
}

static void add_header(const char *header)
{
    size_t used = strlen(options.headers);
    if (snprintf(options.headers + used, sizeof options.headers - used, "%s\r\n", header) >=
        (int)(sizeof options.headers - used))
        options_refuse("the headers are too long");
}

static void read_option(int option, const char *value)
{
    switch (option) {
    case 'u': options.users = atoi(value); break;
    case 's': options.seconds = atof(value); break;
    case 'r': options.ramp_ms = atof(value); break;
    case 'h': add_header(value); break;
    case 'b': options.body = value; break;
    case 't': options.first_text = strtoul(value, NULL, 10); break;
    case 'm': options.texts = strtoul(value, NULL, 10); break;
    case 'a': options.together = atoi(value); break;
    case 'n': options.body_bytes = strtoul(value, NULL, 10); break;
    case 'c': options.chunk_bytes = strtoul(value, NULL, 10); break;
    case 'f': options.first_ms = atof(value); break;
    case 'g': options.gap_ms = atof(value); break;
    case 'l': options.late_ms = atof(value); break;
    case 'p': options.play_ms = atof(value); break;
    default: options_refuse("unknown option");
    }
}

void options_read(int count, char **arguments)
{
    static const struct option known[] = {
        {"users", 1, NULL, 'u'},       {"seconds", 1, NULL, 's'},  {"ramp-ms", 1, NULL, 'r'},
        {"header", 1, NULL, 'h'},      {"body", 1, NULL, 'b'},     {"body-bytes", 1, NULL, 'n'},
        {"chunk-bytes", 1, NULL, 'c'}, {"first-ms", 1, NULL, 'f'}, {"gap-ms", 1, NULL, 'g'},
        {"late-ms", 1, NULL, 'l'},     {"play-ms", 1, NULL, 'p'},  {"first-text", 1, NULL, 't'},
        {"texts", 1, NULL, 'm'},       {"together", 1, NULL, 'a'}, {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(count, arguments, "", known, NULL)) >= 0)
        read_option(option, optarg);
    if (optind != count - 1)
        options_refuse("one URL is needed");
    read_url(arguments[optind]);
    if (options.users < 1 || options.users > 10000 || options.seconds <= 0 || options.seconds > 600)
        options_refuse("--users is 1 to 10000 and --seconds up to 600");
}
