/* Sends one mail again and again over kept SMTP sessions.
 *
 *   smtpload [-c] [-u USER -w PASSWORD] PORT SESSIONS MAILS SENDER MESSAGE_FILE
 *
 * A session says EHLO, STARTTLS (not with -c), EHLO again, and AUTH PLAIN if
 * there is a user. The clock starts when all have done so. MAIL, RCPT and DATA
 * each wait for their reply, as in smtp-source. The file's lines end by LF; every
 * mail has one recipient of its own. A mail is good when each of its replies was;
 * else it is bad, and its session ends there. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 2048, IN = 16384, STACK = 256 * 1024 };

struct session {
    int fd;
    SSL *tls;
    size_t have, at;
    char in[IN], line[LINE];
};

static int port, clear;
static const char *user, *password, *sender;
static long mails;
static char *message, tls_name[80] = "none";
static size_t message_length;
static SSL_CTX *context;
static pthread_barrier_t ready;
static atomic_long next, good, bad;
static double *latency;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int send_all(struct session *s, const char *bytes, size_t n) {
    while (n) {
        ssize_t sent = s->tls ? SSL_write(s->tls, bytes, (int)n) : write(s->fd, bytes, n);
        if (sent <= 0) return -1;
        bytes += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static int next_byte(struct session *s) {
    if (s->at == s->have) {
        ssize_t n = s->tls ? SSL_read(s->tls, s->in, IN) : read(s->fd, s->in, IN);
        s->at = s->have = 0;
        if (n <= 0) return -1;
        s->have = (size_t)n;
    }
    return (unsigned char)s->in[s->at++];
}

/* The code of the next reply, its last line in `line`; -1 if the session is over. */
static int reply(struct session *s) {
    do {
        size_t n = 0;
        int byte;
        while ((byte = next_byte(s)) != '\n') {
            if (byte < 0) return snprintf(s->line, LINE, "hung up"), -1;
            if (byte != '\r' && n < LINE - 1) s->line[n++] = (char)byte;
        }
        s->line[n] = 0;
        if (n < 3) return -1;
    } while (s->line[3] == '-');
    return atoi(s->line);
}

/* 0 if the command is answered by this code. */
static int say(struct session *s, int code, const char *format, ...) {
    char text[LINE];
    va_list values;
    va_start(values, format);
    int n = vsnprintf(text, LINE, format, values);
    va_end(values);
    if (n >= LINE || send_all(s, text, (size_t)n)) return -1;
    return reply(s) == code ? 0 : -1;
}

static int start_tls(struct session *s) {
    if (say(s, 220, "STARTTLS\r\n")) return -1;
    s->at = s->have = 0;
    s->tls = SSL_new(context);
    SSL_set_fd(s->tls, s->fd);
    return SSL_connect(s->tls) == 1 ? 0 : -1;
}

static int log_in(struct session *s) {
    unsigned char raw[LINE / 2], encoded[LINE - 64];
    int n = snprintf((char *)raw, sizeof raw, "%c%s%c%s", 0, user, 0, password);
    if ((size_t)n >= sizeof raw) return -1;
    EVP_EncodeBlock(encoded, raw, n);
    return say(s, 235, "AUTH PLAIN %s\r\n", encoded);
}

static int dial(struct session *s) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->at = s->have = 0;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    snprintf(s->line, LINE, "no session");
    if (connect(s->fd, (void *)&there, sizeof there) || reply(s) != 220) return -1;
    if (say(s, 250, "EHLO load.example\r\n")) return -1;
    if (!clear && (start_tls(s) || say(s, 250, "EHLO load.example\r\n"))) return -1;
    return user ? log_in(s) : 0;
}

static int submit(struct session *s, long number) {
    if (say(s, 250, "MAIL FROM:<%s>\r\n", sender)) return -1;
    if (say(s, 250, "RCPT TO:<%08ld.user@rcpt.example>\r\n", number)) return -1;
    if (say(s, 354, "DATA\r\n")) return -1;
    return send_all(s, message, message_length) || reply(s) != 250 ? -1 : 0;
}

static void *client(void *first) {
    struct session *s = calloc(1, sizeof *s);
    int wrong = dial(s);
    long number;
    if (first && s->tls)
        snprintf(tls_name, sizeof tls_name, "%s %s", SSL_get_version(s->tls),
                 SSL_get_cipher_name(s->tls));
    pthread_barrier_wait(&ready);
    while (!wrong && (number = atomic_fetch_add(&next, 1)) < mails) {
        double start = now();
        wrong = submit(s, number);
        latency[number] = now() - start;
        if (!wrong) atomic_fetch_add(&good, 1);
    }
    if (wrong && atomic_fetch_add(&bad, 1) < 3) fprintf(stderr, "bad reply: %s\n", s->line);
    pthread_barrier_wait(&ready);
    if (!wrong) say(s, 221, "QUIT\r\n");
    if (s->tls) SSL_free(s->tls);
    close(s->fd);
    free(s);
    return 0;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The file as it goes over the wire: CRLF, dots doubled, the dot at its end. */
static int read_message(const char *name) {
    FILE *file = fopen(name, "rb");
    char *line = 0;
    size_t room = 0;
    ssize_t n;
    if (!file) return -1;
    FILE *wire = open_memstream(&message, &message_length);
    while ((n = getline(&line, &room, file)) > 0)
        fprintf(wire, "%s%.*s\r\n", *line == '.' ? "." : "",
                (int)(line[n - 1] == '\n' ? n - 1 : n), line);
    fputs(".\r\n", wire);
    fclose(wire);
    fclose(file);
    free(line);
    return 0;
}

static int arguments(int argc, char **argv) {
    int option;
    while ((option = getopt(argc, argv, "cu:w:")) != -1) {
        if (option == 'c') clear = 1;
        else if (option == 'u') user = optarg;
        else if (option == 'w') password = optarg;
        else return -1;
    }
    if (argc - optind != 5 || !user != !password) return -1;
    port = atoi(argv[optind]);
    mails = atol(argv[optind + 2]);
    sender = argv[optind + 3];
    return mails > 0 ? read_message(argv[optind + 4]) : -1;
}

int main(int argc, char **argv) {
    if (arguments(argc, argv)) return fputs("smtpload: wrong usage\n", stderr), 2;
    unsigned sessions = (unsigned)atoi(argv[optind + 1]);
    latency = calloc((size_t)mails, sizeof *latency);
    context = SSL_CTX_new(TLS_client_method());
    signal(SIGPIPE, SIG_IGN);
    pthread_t *threads = calloc(sessions, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    pthread_barrier_init(&ready, 0, sessions + 1);
    for (unsigned i = 0; i < sessions; i++)
        if (pthread_create(&threads[i], &small, client, i ? 0 : &ready))
            return perror("smtpload"), 2;
    pthread_barrier_wait(&ready);
    double start = now();
    pthread_barrier_wait(&ready);
    double wall = now() - start;
    for (unsigned i = 0; i < sessions; i++) pthread_join(threads[i], 0);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    qsort(latency, (size_t)mails, sizeof *latency, by_value);
    printf("{\"good\":%ld,\"bad\":%ld,\"wall_s\":%.4f,\"cpu_s\":%.3f,\"p50_ms\":%.3f,"
           "\"p99_ms\":%.3f,\"tls\":\"%s\"}\n",
           (long)good, (long)bad, wall,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
           latency[mails / 2] * 1e3, latency[mails * 99 / 100] * 1e3, tls_name);
    return bad != 0;
}
