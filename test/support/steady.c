/* SPDX-License-Identifier: BSD-2-Clause */
/* support/steady.c -- asks a DNS server on 127.0.0.1 for known services all the time, and counts what was not
 * right.
 *
 *   steady [-r RATE] [-s SECONDS] [-n SOCKETS] [-t N] PORT BOOK      until SIGTERM, SIGINT or the time is
 * over steady -f [-s SECONDS] PORT BOOK      asks everything until it is answered, once: what is the first
 * answer?
 *
 * BOOK is as in steady_book.h, and is read again when another file has taken its name: what is asked from
 * then on is judged by the new one. One question in N (50; 0: none) goes over TCP, on a connection of its
 * own.
 *
 * Lost is what has no answer after 2 s. The time of an answer ends when the kernel received it, so that a
 * checker that has to wait for its turn on a busy machine does not blame the server. The last line on stdout:
 *   queries=N wrong=0 empty=0 lost=0 late=0 stale=0 p50_ms= p99_ms= p999_ms= max_ms= rate=
 * late: after 50 ms; with -f also all_ms, until everything was answered. Exits with 0 only if wrong, empty
 * and lost are 0 and something was asked. The first few things that were not right are told on stderr.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "steady_book.h"

enum {
	SLOTS = 1 << 16, /* a query is found by its ID */
	SOCKETS_MAX = 256,
	CONNECTIONS_MAX = 1024,
	REPLY_MAX = 4096 + 2,
	BURST_MAX = 64, /* after a pause of our own not all at once: that would be another test */
	TOLD_MAX = 10,
	BUCKET_NS = 10000, /* of the histogram */
	BUCKETS = 200000,  /* up to 2 s */
};

static const uint64_t LOST_NS = UINT64_C(2000000000);
static const uint64_t LATE_NS = 50000000;
static const uint64_t LOOK_NS = 20000000;  /* between two looks at the file of the book */
static const uint64_t AGAIN_NS = 50000000; /* -f: until it is asked again */

struct asked {
	const struct book *book;
	uint32_t question;
	uint32_t place; /* index of the socket, or SOCKETS_MAX + index of the connection */
	uint64_t sent_ns;
	bool open;
};

struct connection {
	int fd;
	uint16_t id;
	bool used, sent;
	size_t got;
	uint8_t octets[REPLY_MAX];
};

struct counts {
	uint64_t queries, wrong, empty, lost, late, stale;
	uint64_t max_ns;
	unsigned told;
};

struct steady {
	const char *path;
	uint16_t port;
	unsigned rate, tcp_share, n_sockets;
	uint64_t limit_ns; /* 0: none */
	bool first;

	struct book *book;
	struct book *older[4096]; /* by which somebody may still be judged */
	size_t n_older;
	ino_t inode;
	uint64_t looked_ns;

	int epoll;
	int sockets[SOCKETS_MAX];
	struct connection connections[CONNECTIONS_MAX];
	struct asked asked[SLOTS];
	uint64_t next, oldest; /* numbers of queries; the ID is the low end */
	size_t n_open;
	uint64_t random;
	bool *answered; /* -f: by question */
	size_t n_answered;

	struct counts counts;
	uint32_t histogram[BUCKETS];
};

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "steady: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* What the kernel stamps datagrams with. */
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* xorshift64 */
static uint64_t draw(struct steady *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % below;
}

/* --- counting --- */

static void tell(struct steady *s, const struct asked *a, const char *what, const char *why)
{
	if (s->counts.told++ < TOLD_MAX)
		fprintf(stderr, "%s: %s%s: %s\n", what, book_text(a->book, a->question),
			a->place >= SOCKETS_MAX ? " over TCP" : "", why);
}

static void count_time(struct steady *s, uint64_t ns)
{
	const uint64_t bucket = ns / BUCKET_NS;

	s->histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	s->counts.late += ns > LATE_NS;
	if (ns > s->counts.max_ns)
		s->counts.max_ns = ns;
}

static void close_query(struct steady *s, struct asked *a)
{
	a->open = false;
	s->n_open--;
}

/* The reply to the query with this ID, at the place it was sent from; others are of somebody who was given
 * up. */
static void take_reply(struct steady *s, uint16_t id, uint32_t place, const uint8_t *octets, size_t len,
		       uint64_t at_ns)
{
	struct asked *a = &s->asked[id];
	const char *why;

	if (!a->open || a->place != place)
		return;
	const enum verdict verdict = book_judge(a->book, a->question, id, octets, len, &why);
	count_time(s, at_ns > a->sent_ns ? at_ns - a->sent_ns : 0);
	s->counts.stale += verdict == VERDICT_STALE;
	s->counts.wrong += verdict == VERDICT_WRONG;
	s->counts.empty += verdict == VERDICT_EMPTY;
	if (verdict == VERDICT_WRONG || verdict == VERDICT_EMPTY)
		tell(s, a, verdict == VERDICT_WRONG ? "wrong" : "empty", why);
	if (s->first && !s->answered[a->question]) {
		s->answered[a->question] = true;
		s->n_answered++;
	}
	close_query(s, a);
}

static void lose(struct steady *s, struct asked *a, const char *why)
{
	if (!s->first) {
		s->counts.lost++;
		tell(s, a, "lost", why);
	}
	close_query(s, a);
}

/* --- connections --- */

static void hang_up(struct connection *c)
{
	/* A reset: with TIME_WAIT the ports would not last at this rate. */
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(c->fd);
	c->used = false;
}

static void lose_connection(struct steady *s, struct connection *c, const char *why)
{
	struct asked *a = &s->asked[c->id];

	if (a->open && a->place == SOCKETS_MAX + (uint32_t)(c - s->connections))
		lose(s, a, why);
	hang_up(c);
}

static bool send_on(struct steady *s, struct connection *c)
{
	uint8_t octets[2 + BOOK_QUESTION_MAX];
	const struct asked *a = &s->asked[c->id];
	const size_t len = book_write(a->book, a->question, c->id, octets + 2);

	octets[0] = (uint8_t)(len >> 8);
	octets[1] = (uint8_t)len;
	c->sent = true;
	return send(c->fd, octets, 2 + len, MSG_NOSIGNAL) == (ssize_t)(2 + len);
}

static void on_connection(struct steady *s, struct connection *c)
{
	if (!c->used)
		return;
	if (!c->sent) {
		struct epoll_event event = { .events = EPOLLIN };

		event.data.u32 = SOCKETS_MAX + (uint32_t)(c - s->connections);
		if (!send_on(s, c))
			lose_connection(s, c, strerror(errno));
		else
			epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &event);
		return;
	}
	const ssize_t got = recv(c->fd, c->octets + c->got, sizeof(c->octets) - c->got, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		lose_connection(s, c, got == 0 ? "closed" : strerror(errno));
		return;
	}
	c->got += (size_t)got;
	const size_t len = c->got >= 2 ? (size_t)c->octets[0] << 8 | c->octets[1] : SIZE_MAX;
	if (len == SIZE_MAX || c->got < 2 + len)
		return;
	take_reply(s, c->id, SOCKETS_MAX + (uint32_t)(c - s->connections), c->octets + 2, len, now_ns());
	hang_up(c);
}

/* Connects for the query with this ID; it is sent when the connection is there. */
static void ask_tcp(struct steady *s, uint16_t id, size_t index)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(s->port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLOUT };
	struct connection *c = &s->connections[index];

	*c = (struct connection){ .id = id, .used = true };
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	event.data.u32 = SOCKETS_MAX + (uint32_t)index;
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &event);
	if (connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
		lose_connection(s, c, strerror(errno));
}

/* CONNECTIONS_MAX when all are in use: then a datagram must do. */
static size_t free_connection(const struct steady *s)
{
	size_t i = 0;

	while (i < CONNECTIONS_MAX && s->connections[i].used)
		i++;
	return i;
}

/* --- datagrams --- */

static void open_sockets(struct steady *s)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(s->port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1, size = 4 << 20;

	for (unsigned i = 0; i < s->n_sockets; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

		s->sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (s->sockets[i] < 0 ||
		    connect(s->sockets[i], (const struct sockaddr *)&to, sizeof(to)) != 0 ||
		    setsockopt(s->sockets[i], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0)
			die("socket");
		setsockopt(s->sockets[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->sockets[i], &event);
	}
}

static uint64_t stamp_ns(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		struct timespec at;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&at, CMSG_DATA(c), sizeof(at));
		return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
	}
	return now_ns();
}

static void on_socket(struct steady *s, uint32_t index)
{
	uint8_t octets[REPLY_MAX];
	union {
		char room[CMSG_SPACE(sizeof(struct timespec))];
		struct cmsghdr align;
	} control;

	for (;;) {
		struct iovec iov = { octets, sizeof(octets) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		const ssize_t len = recvmsg(s->sockets[index], &m, 0);
		if (len < 0 && errno == EAGAIN)
			return;
		if (len >= 2)
			take_reply(s, (uint16_t)(octets[0] << 8 | octets[1]), index, octets, (size_t)len,
				   stamp_ns(&m));
	}
}

/* --- asking --- */

static void ask(struct steady *s, size_t question, bool tcp)
{
	uint8_t octets[BOOK_QUESTION_MAX];
	const uint16_t id = (uint16_t)s->next;
	struct asked *a = &s->asked[id];
	const size_t connection = tcp ? free_connection(s) : CONNECTIONS_MAX;
	const uint32_t udp = (uint32_t)(s->next % s->n_sockets);

	*a = (struct asked){ .book = s->book, .question = (uint32_t)question, .open = true };
	a->place = connection < CONNECTIONS_MAX ? SOCKETS_MAX + (uint32_t)connection : udp;
	a->sent_ns = now_ns();
	s->next++;
	s->n_open++;
	s->counts.queries++;
	if (connection < CONNECTIONS_MAX) {
		ask_tcp(s, id, connection);
		return;
	}
	const size_t len = book_write(s->book, question, id, octets);
	/* The first try may only tell of a refusal before. */
	if (send(s->sockets[udp], octets, len, 0) < 0 && send(s->sockets[udp], octets, len, 0) < 0 &&
	    !s->first)
		lose(s, a, strerror(errno));
}

/* Up to now they had their time; in the order they were sent. */
static void expire(struct steady *s, uint64_t now, uint64_t after_ns)
{
	while (s->oldest < s->next) {
		struct asked *a = &s->asked[s->oldest % SLOTS];

		if (a->open && a->sent_ns + after_ns > now && s->next - s->oldest < SLOTS - BURST_MAX)
			return;
		if (a->open && a->place >= SOCKETS_MAX)
			lose_connection(s, &s->connections[a->place - SOCKETS_MAX], "no answer");
		else if (a->open)
			lose(s, a, "no answer");
		s->oldest++;
	}
}

/* The events of at most one millisecond. */
static void wait_ms(struct steady *s)
{
	struct epoll_event events[256];
	const int n = epoll_wait(s->epoll, events, 256, 1);

	for (int i = 0; i < n; i++) {
		const uint32_t place = events[i].data.u32;

		if (place < SOCKETS_MAX)
			on_socket(s, place);
		else
			on_connection(s, &s->connections[place - SOCKETS_MAX]);
	}
}

/* Whoever changes the book moves another file to its place. */
static void look_at_book(struct steady *s, uint64_t now)
{
	struct stat st;

	if (now < s->looked_ns + LOOK_NS)
		return;
	s->looked_ns = now;
	if (stat(s->path, &st) != 0 || st.st_ino == s->inode)
		return;
	s->inode = st.st_ino;
	struct book *newer = book_read(s->path);
	if (newer == NULL || s->n_older == sizeof(s->older) / sizeof(s->older[0]))
		exit(2);
	s->older[s->n_older++] = s->book;
	s->book = newer;
}

static void send_due(struct steady *s, uint64_t *due_ns, uint64_t now)
{
	const uint64_t gap_ns = 1000000000 / s->rate;

	for (unsigned i = 0; i < BURST_MAX && *due_ns <= now; i++) {
		const bool tcp = s->tcp_share > 0 && draw(s, s->tcp_share) == 0;

		ask(s, draw(s, book_questions(s->book)), tcp);
		*due_ns += gap_ns;
	}
	if (*due_ns + 5 * gap_ns + 5000000 < now)
		*due_ns = now;
}

static void run(struct steady *s, uint64_t start)
{
	uint64_t due_ns = start;

	for (;;) {
		const uint64_t now = now_ns();

		if (s->limit_ns > 0 && now - start >= s->limit_ns)
			is_over = 1;
		look_at_book(s, now);
		if (!is_over)
			send_due(s, &due_ns, now);
		wait_ms(s);
		expire(s, now, LOST_NS);
		if (is_over && s->n_open == 0)
			return;
	}
}

/* -f */
static void run_first(struct steady *s, uint64_t start)
{
	const size_t n = book_questions(s->book);
	uint64_t now, again_ns = 0;

	s->answered = calloc(n, sizeof(*s->answered));
	if (s->answered == NULL)
		die("memory");
	while (s->n_answered < n && (now = now_ns()) - start < s->limit_ns) {
		for (size_t i = 0; i < n && now >= again_ns; i++) {
			if (!s->answered[i])
				ask(s, i, false);
		}
		if (now >= again_ns)
			again_ns = now + AGAIN_NS;
		wait_ms(s);
		expire(s, now, LOST_NS);
	}
	s->counts.queries = n;
	s->counts.lost = n - s->n_answered;
}

/* --- the end --- */

static double share_ms(const struct steady *s, double share)
{
	uint64_t all = 0, sum = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		all += s->histogram[i];
	for (size_t i = 0; i < BUCKETS; i++) {
		sum += s->histogram[i];
		if (sum > 0 && (double)sum >= share * (double)all)
			return (double)((i + 1) * BUCKET_NS) / 1e6;
	}
	return 0;
}

static int print_result(const struct steady *s, uint64_t took_ns)
{
	const struct counts *c = &s->counts;
	const double seconds = (double)took_ns / 1e9;

	printf("queries=%" PRIu64 " wrong=%" PRIu64 " empty=%" PRIu64 " lost=%" PRIu64, c->queries, c->wrong,
	       c->empty, c->lost);
	printf(" late=%" PRIu64 " stale=%" PRIu64, c->late, c->stale);
	printf(" p50_ms=%.2f p99_ms=%.2f p999_ms=%.2f max_ms=%.2f", share_ms(s, 0.5), share_ms(s, 0.99),
	       share_ms(s, 0.999), (double)c->max_ns / 1e6);
	if (s->first)
		printf(" all_ms=%.0f\n", seconds * 1e3);
	else
		printf(" rate=%.0f\n", (double)c->queries / seconds);
	return c->queries > 0 && c->wrong + c->empty + c->lost == 0 ? 0 : 1;
}

static void usage(void)
{
	fprintf(stderr, "usage: steady [-f] [-r RATE] [-s SECONDS] [-n SOCKETS] [-t N] PORT BOOK\n");
	exit(2);
}

static unsigned to_number(const char *text, unsigned min, unsigned max)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < min || n > max)
		usage();
	return (unsigned)n;
}

static void read_options(struct steady *s, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "fr:s:n:t:")) >= 0) {
		if (option == 'f')
			s->first = true;
		else if (option == 'r')
			/* Within the 2 s of the lost an ID must not come again. */
			s->rate = to_number(optarg, 1, 30000);
		else if (option == 's')
			s->limit_ns = to_number(optarg, 1, 1000000) * UINT64_C(1000000000);
		else if (option == 'n')
			s->n_sockets = to_number(optarg, 1, SOCKETS_MAX);
		else if (option == 't')
			s->tcp_share = to_number(optarg, 0, 1000000);
		else
			usage();
	}
	if (argc - optind != 2)
		usage();
	s->port = (uint16_t)to_number(argv[optind], 1, 65535);
	s->path = argv[optind + 1];
	if (s->first && s->limit_ns == 0)
		s->limit_ns = 10 * UINT64_C(1000000000);
}

static void free_books(struct steady *s)
{
	for (size_t i = 0; i < s->n_older; i++)
		book_free(s->older[i]);
	book_free(s->book);
}

int main(int argc, char **argv)
{
	static struct steady s = { .rate = 200, .n_sockets = 8, .tcp_share = 50 };
	const struct sigaction action = { .sa_handler = on_signal };
	struct stat st;

	read_options(&s, argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	s.inode = stat(s.path, &st) == 0 ? st.st_ino : 0;
	s.book = book_read(s.path);
	if (s.book == NULL)
		return 2;
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s.epoll < 0)
		die("epoll");
	open_sockets(&s);

	const uint64_t start = now_ns();
	s.random = start | 1;
	if (s.first)
		run_first(&s, start);
	else
		run(&s, start);
	const int status = print_result(&s, now_ns() - start);
	free(s.answered);
	free_books(&s);
	return status;
}
