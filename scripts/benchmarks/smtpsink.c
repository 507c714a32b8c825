/* An SMTP server that takes every mail, forgets it and counts.
 *
 *   smtpsink COUNTER_FILE [PORT]
 *
 * Binds that loopback port, or a free one. The file holds two 64-bit words, mapped by the
 * reader: the port, and the messages taken. A message counts after its reply
 * has left, so that its sender is never behind the counter.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 1024, OUT = 65536, IN = 262144 };

struct session {
    int fd;
    int in_data;  /* 0, or 1 + how much of CRLF.CRLF was seen */
    int closing;
    size_t line_length, out_length;
    long taken; /* messages whose reply has not left yet */
    char line[LINE], out[OUT];
};

static _Atomic long *counter; /* [0] port, [1] messages */

static void flush(struct session *s) {
    size_t sent = 0;
    while (sent < s->out_length) {
        ssize_t n = write(s->fd, s->out + sent, s->out_length - sent);
        if (n > 0) sent += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EINTR)) usleep(50);
        else { s->closing = 1; break; }
    }
    s->out_length = 0;
    atomic_fetch_add(&counter[1], s->taken);
    s->taken = 0;
}

static void reply(struct session *s, const char *text) {
    size_t n = strlen(text);
    if (s->out_length + n > OUT) flush(s);
    memcpy(s->out + s->out_length, text, n);
    s->out_length += n;
}

static void command(struct session *s) {
    s->line[s->line_length] = 0;
    if (!strncasecmp(s->line, "DATA", 4)) {
        reply(s, "354 go on\r\n");
        s->in_data = 3; /* the first line may be the dot */
    } else if (!strncasecmp(s->line, "EHLO", 4)) {
        reply(s, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                 "250-ENHANCEDSTATUSCODES\r\n250 SIZE 52428800\r\n");
    } else if (!strncasecmp(s->line, "QUIT", 4)) {
        reply(s, "221 2.0.0 bye\r\n");
        s->closing = 1;
    } else {
        reply(s, "250 2.0.0 ok\r\n");
    }
}

/* One byte of content; true at the end of the message. */
static int data_byte(struct session *s, char byte) {
    static const char end[] = "\r\n.\r\n";
    int seen = s->in_data - 1;
    if (byte == end[seen]) seen++;
    else seen = byte == '\r';
    s->in_data = seen + 1;
    return seen == 5;
}

static void feed(struct session *s, const char *bytes, size_t n) {
    for (size_t i = 0; i < n && !s->closing; i++) {
        if (s->in_data) {
            if (!data_byte(s, bytes[i])) continue;
            s->in_data = 0;
            s->taken++;
            reply(s, "250 2.0.0 taken\r\n");
        } else if (bytes[i] == '\n') {
            command(s);
            s->line_length = 0;
        } else if (bytes[i] != '\r' && s->line_length < LINE - 1) {
            s->line[s->line_length++] = bytes[i];
        }
    }
    flush(s);
}

static void greet(int poll, int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
        struct session *s = calloc(1, sizeof *s);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        s->fd = fd;
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        reply(s, "220 sink ESMTP\r\n");
        flush(s);
    }
}

int main(int argc, char **argv) {
    static char bytes[IN];
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t size = sizeof here;
    int on = 1, file = argc == 2 || argc == 3 ? open(argv[1], O_RDWR | O_CREAT, 0600) : -1;
    if (file < 0 || ftruncate(file, 2 * sizeof *counter)) return perror(argv[0]), 2;
    counter = mmap(0, 2 * sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    here.sin_port = htons((uint16_t)(argc == 3 ? atoi(argv[2]) : 0));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (counter == MAP_FAILED || bind(listener, (void *)&here, size) ||
        listen(listener, 1024) || getsockname(listener, (void *)&here, &size))
        return perror(argv[0]), 2;
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, ready[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    atomic_store(&counter[0], ntohs(here.sin_port));
    for (;;) {
        int n = epoll_wait(poll, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            struct session *s = ready[i].data.ptr;
            if (!s) { greet(poll, listener); continue; }
            ssize_t got = read(s->fd, bytes, IN);
            if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (got > 0) feed(s, bytes, (size_t)got);
            if (got <= 0 || s->closing) { close(s->fd); free(s); }
        }
    }
}
