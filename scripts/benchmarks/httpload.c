/* Posts one request again and again over kept connections.
 *
 *   httpload PORT CONNECTIONS REQUESTS REQUEST_FILE
 *
 * The file is a whole HTTP/1.1 request. Its one run of eight # is replaced by
 * the request's number, so that no two recipients are the same. An answer
 * counts when it is a 200 whose body says "errorCode":0. Prints one JSON object.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 65536 };

static int port;
static long requests;
static char *request;
static size_t request_length, number_at;
static atomic_long next, good, bad;
static double *latency;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (void *)&there, sizeof there)) { close(fd); return -1; }
    return fd;
}

static int send_all(int fd, const char *bytes, size_t n) {
    while (n) {
        ssize_t sent = write(fd, bytes, n);
        if (sent <= 0) return -1;
        bytes += sent;
        n -= (size_t)sent;
    }
    return 0;
}

/* Reads one answer; 0 if it is what it should be, -1 if the connection is over. */
static int read_answer(int fd, char *answer) {
    size_t have = 0, wanted = 0;
    while (!wanted || have < wanted) {
        if (have >= ANSWER - 1) return -1;
        ssize_t n = read(fd, answer + have, ANSWER - 1 - have);
        if (n <= 0) return -1;
        have += (size_t)n;
        answer[have] = 0;
        char *body = strstr(answer, "\r\n\r\n");
        if (wanted || !body) continue;
        char *length = strcasestr(answer, "\r\ncontent-length:");
        if (!length || length > body) return -1;
        wanted = (size_t)(body - answer) + 4 + strtoul(length + 17, 0, 10);
    }
    return strncmp(answer, "HTTP/1.1 200", 12) || !strstr(answer, "\"errorCode\":0");
}

static void *client(void *unused) {
    char *own = malloc(request_length), *answer = malloc(ANSWER), digits[32];
    int fd = -1;
    long number;
    (void)unused;
    memcpy(own, request, request_length);
    while ((number = atomic_fetch_add(&next, 1)) < requests) {
        snprintf(digits, sizeof digits, "%08ld", number);
        memcpy(own + number_at, digits, 8);
        if (fd < 0) fd = dial();
        double start = now();
        answer[0] = 0;
        int wrong = fd < 0 || send_all(fd, own, request_length) ? -1 : read_answer(fd, answer);
        latency[number] = now() - start;
        if (!wrong) { atomic_fetch_add(&good, 1); continue; }
        if (atomic_fetch_add(&bad, 1) < 3) fprintf(stderr, "bad answer: %.600s\n", answer);
        if (wrong < 0 && fd >= 0) { close(fd); fd = -1; }
    }
    if (fd >= 0) close(fd);
    free(own);
    free(answer);
    return 0;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int read_request(const char *name) {
    FILE *file = fopen(name, "rb");
    size_t size = 1 << 20;
    request = calloc(1, size);
    if (!file) return -1;
    request_length = fread(request, 1, size - 1, file);
    fclose(file);
    char *mark = strstr(request, "########");
    if (!mark) return -1;
    number_at = (size_t)(mark - request);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 5 || read_request(argv[4])) return fputs("httpload: wrong usage\n", stderr), 2;
    port = atoi(argv[1]);
    int connections = atoi(argv[2]);
    requests = atol(argv[3]);
    latency = calloc((size_t)requests, sizeof *latency);
    pthread_t *threads = calloc((size_t)connections, sizeof *threads);
    double start = now();
    for (int i = 0; i < connections; i++)
        if (pthread_create(&threads[i], 0, client, 0)) return perror("httpload"), 2;
    for (int i = 0; i < connections; i++) pthread_join(threads[i], 0);
    double wall = now() - start;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    qsort(latency, (size_t)requests, sizeof *latency, by_value);
    printf("{\"good\":%ld,\"bad\":%ld,\"wall_s\":%.4f,\"cpu_s\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
           (long)good, (long)bad, wall,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           latency[requests / 2] * 1e3, latency[requests * 99 / 100] * 1e3);
    return bad != 0;
}
