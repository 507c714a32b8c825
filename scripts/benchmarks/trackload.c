/* Offers GET requests at a steady rate, whether or not the answers keep up.
 *
 *   trackload PORT CONNECTIONS RATE SECONDS HITS_FILE
 *
 * A line of the file is a path, a tab, and a user agent; they are taken in turn. An
 * answer counts when it is a 200. Its time runs from the moment at which the request
 * was due, so that a server which stalls cannot hide those that had to wait for it.
 * Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 65536, REQUEST = 4096 };

static int port, connections;
static double rate, begin;
static long requests, lines;
static char **hits;
static atomic_long good, bad;
static double *latency;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(double moment) {
    struct timespec t = {.tv_sec = (time_t)moment};
    t.tv_nsec = (long)((moment - (double)t.tv_sec) * 1e9);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);
}

static int dial(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (void *)&there, sizeof there)) { close(fd); return -1; }
    return fd;
}

/* Asks and reads the whole answer; 0 if it is a 200. */
static int ask(int fd, const char *hit, char *buffer) {
    const char *tab = strchr(hit, '\t');
    int n = snprintf(buffer, REQUEST, "GET %.*s HTTP/1.1\r\nHost: track.test\r\nUser-Agent: %s\r\n\r\n",
                     (int)(tab - hit), hit, tab + 1);
    if (write(fd, buffer, (size_t)n) != n) return -1;
    size_t have = 0, wanted = 0;
    while (!wanted || have < wanted) {
        if (have >= ANSWER - 1) return -1;
        ssize_t got = read(fd, buffer + have, ANSWER - 1 - have);
        if (got <= 0) return -1;
        have += (size_t)got;
        buffer[have] = 0;
        char *body = strstr(buffer, "\r\n\r\n");
        if (wanted || !body) continue;
        char *length = strcasestr(buffer, "\r\ncontent-length:");
        if (!length || length > body) return -1;
        wanted = (size_t)(body - buffer) + 4 + strtoul(length + 17, 0, 10);
    }
    return strncmp(buffer, "HTTP/1.1 200", 12) != 0;
}

static void *client(void *first) {
    char *buffer = malloc(ANSWER);
    int fd = dial();
    for (long number = (long)first; number < requests; number += connections) {
        double due = begin + (double)number / rate;
        wait_until(due);
        int wrong = fd < 0 ? -1 : ask(fd, hits[number % lines], buffer);
        latency[number] = now() - due;
        if (!wrong) { atomic_fetch_add(&good, 1); continue; }
        if (atomic_fetch_add(&bad, 1) < 3) fprintf(stderr, "bad answer: %.300s\n", buffer);
        if (fd >= 0) close(fd);
        fd = dial();
    }
    if (fd >= 0) close(fd);
    free(buffer);
    return 0;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int read_hits(const char *name) {
    FILE *file = fopen(name, "r");
    char *line = 0;
    size_t size = 0;
    ssize_t n;
    if (!file) return -1;
    while ((n = getline(&line, &size, file)) > 1 && n < REQUEST / 2) {
        line[n - 1] = 0;
        if (!strchr(line, '\t')) return -1;
        hits = realloc(hits, (size_t)(lines + 1) * sizeof *hits);
        hits[lines++] = strdup(line);
    }
    fclose(file);
    return lines ? 0 : -1;
}

int main(int argc, char **argv) {
    if (argc != 6 || read_hits(argv[5])) return fputs("trackload: wrong usage\n", stderr), 2;
    port = atoi(argv[1]);
    connections = atoi(argv[2]);
    rate = atof(argv[3]);
    requests = (long)(rate * atof(argv[4]));
    latency = calloc((size_t)requests, sizeof *latency);
    pthread_t *threads = calloc((size_t)connections, sizeof *threads);
    begin = now() + 0.2;
    for (long i = 0; i < connections; i++)
        if (pthread_create(&threads[i], 0, client, (void *)i)) return perror("trackload"), 2;
    for (int i = 0; i < connections; i++) pthread_join(threads[i], 0);
    double wall = now() - begin;
    qsort(latency, (size_t)requests, sizeof *latency, by_value);
    printf("{\"good\":%ld,\"bad\":%ld,\"wall_s\":%.4f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
           (long)good, (long)bad, wall, latency[requests / 2] * 1e3,
           latency[requests * 99 / 100] * 1e3, latency[requests - 1] * 1e3);
    return bad != 0;
}
