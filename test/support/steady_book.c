/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares no code with src/, or both could be wrong in the same way. */
#include "steady_book.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER = 12,
	OPT_LEN = 11,
	ADDRESSES_MAX = 64, /* of a service: one bit each */
	TYPE_A = 1,
	TYPE_AAAA = 28,
	TYPE_SRV = 33,
	TYPE_OPT = 41,
	OPTION_EDE = 15,
	EDE_STALE = 3,
};

struct allowed {
	uint16_t type;
	uint8_t octets[16];
};

struct service {
	char *name;
	struct allowed addresses[ADDRESSES_MAX];
	size_t n;
	uint64_t must, v4; /* bits of addresses */
};

struct question {
	uint32_t service;
	uint16_t type;
};

struct book {
	struct service *services;
	struct question *questions;
	size_t n_services, n_questions;
};

/* --- reading --- */

static void *must(void *memory)
{
	if (memory == NULL) {
		fprintf(stderr, "steady: out of memory\n");
		exit(2);
	}
	return memory;
}

static bool add_address(struct service *s, const char *text)
{
	const bool needed = text[0] == '+';
	struct allowed *a = &s->addresses[s->n];
	const char *digits = text + needed;

	if (s->n == ADDRESSES_MAX)
		return false;
	a->type = strchr(digits, ':') != NULL ? TYPE_AAAA : TYPE_A;
	if (inet_pton(a->type == TYPE_A ? AF_INET : AF_INET6, digits, a->octets) != 1)
		return false;
	s->must |= (uint64_t)needed << s->n;
	s->v4 |= (uint64_t)(a->type == TYPE_A) << s->n;
	s->n++;
	return true;
}

static void add_question(struct book *b, uint16_t type)
{
	if (b->n_questions % 64 == 0)
		b->questions = must(realloc(b->questions, (b->n_questions + 64) * sizeof(*b->questions)));
	b->questions[b->n_questions++] = (struct question){ (uint32_t)b->n_services - 1, type };
}

/* Who may be empty for a type is not asked for that type. */
static void add_questions(struct book *b, const struct service *s)
{
	if ((s->must & s->v4) != 0)
		add_question(b, TYPE_A);
	if ((s->must & ~s->v4) != 0)
		add_question(b, TYPE_AAAA);
	if (s->must != 0)
		add_question(b, TYPE_SRV);
}

static bool add_service(struct book *b, char *line)
{
	char *rest, *word = strtok_r(line, " \t\n", &rest);

	if (word == NULL)
		return true;
	if (strlen(word) > 253)
		return false;
	if (b->n_services % 64 == 0)
		b->services = must(realloc(b->services, (b->n_services + 64) * sizeof(*b->services)));
	struct service *s = &b->services[b->n_services++];
	*s = (struct service){ .name = must(strdup(word)) };
	while ((word = strtok_r(NULL, " \t\n", &rest)) != NULL) {
		if (!add_address(s, word))
			return false;
	}
	add_questions(b, s);
	return true;
}

struct book *book_read(const char *path)
{
	struct book *b = must(calloc(1, sizeof(*b)));
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	bool good = f != NULL;

	while (good && getline(&line, &size, f) >= 0)
		good = add_service(b, line);
	if (f != NULL)
		fclose(f);
	free(line);
	if (good && b->n_questions > 0)
		return b;
	fprintf(stderr, "steady: %s: cannot be read, or says nothing that must be there\n", path);
	book_free(b);
	return NULL;
}

void book_free(struct book *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n_services; i++)
		free(b->services[i].name);
	free(b->services);
	free(b->questions);
	free(b);
}

/* --- asking --- */

size_t book_questions(const struct book *b)
{
	return b->n_questions;
}

static uint8_t *write_name(uint8_t *at, const char *name)
{
	while (*name != '\0') {
		const size_t len = strcspn(name, ".");

		*at++ = (uint8_t)len;
		memcpy(at, name, len);
		at += len;
		name += len + (name[len] == '.');
	}
	*at++ = 0;
	return at;
}

size_t book_write(const struct book *b, size_t question, uint16_t id, uint8_t ret[BOOK_QUESTION_MAX])
{
	const struct question *q = &b->questions[question];
	const uint8_t head[HEADER] = { (uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
	const uint8_t opt[OPT_LEN] = { 0, 0, TYPE_OPT, 4096 >> 8, 0 };
	const uint8_t tail[4] = { 0, (uint8_t)q->type, 0, 1 };

	memcpy(ret, head, HEADER);
	uint8_t *at = write_name(ret + HEADER, b->services[q->service].name);
	memcpy(at, tail, sizeof(tail));
	memcpy(at + sizeof(tail), opt, OPT_LEN);
	return (size_t)(at - ret) + sizeof(tail) + OPT_LEN;
}

const char *book_text(const struct book *b, size_t question)
{
	static char text[300];
	const struct question *q = &b->questions[question];

	snprintf(text, sizeof(text), "%s %s", b->services[q->service].name,
		 q->type == TYPE_A ? "A" : (q->type == TYPE_AAAA ? "AAAA" : "SRV"));
	return text;
}

/* --- judging --- */

/* What a reply was found to hold so far. */
struct reading {
	const uint8_t *octets;
	size_t len, at;
	const struct service *service;
	uint64_t seen;    /* bits of addresses */
	size_t n_answers; /* of the type asked for */
	bool stale;
	char why[128];
};

static unsigned octets16(const struct reading *r, size_t at)
{
	return (unsigned)r->octets[at] << 8 | r->octets[at + 1];
}

static bool fail(struct reading *r, const char *why)
{
	snprintf(r->why, sizeof(r->why), "%s", why);
	return false;
}

static bool skip_name(struct reading *r)
{
	while (r->at < r->len) {
		const uint8_t len = r->octets[r->at];

		r->at += len >= 0xc0 ? 2 : 1U + len;
		if (len == 0 || len >= 0xc0)
			return r->at <= r->len;
	}
	return false;
}

/* An address: one of those allowed. */
static bool note_address(struct reading *r, uint16_t type, const uint8_t *octets)
{
	const size_t len = type == TYPE_A ? 4 : 16;
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < r->service->n; i++) {
		const struct allowed *a = &r->service->addresses[i];

		if (a->type != type || memcmp(a->octets, octets, len) != 0)
			continue;
		r->seen |= UINT64_C(1) << i;
		return true;
	}
	inet_ntop(type == TYPE_A ? AF_INET : AF_INET6, octets, text, sizeof(text));
	snprintf(r->why, sizeof(r->why), "%s is not allowed", text);
	return false;
}

/* RFC 8914: a number of two octets, then a text. */
static void note_options(struct reading *r, size_t end)
{
	for (size_t at = r->at; at + 4 <= end; at += 4 + octets16(r, at + 2)) {
		if (octets16(r, at) == OPTION_EDE && at + 6 <= end && octets16(r, at + 4) == EDE_STALE)
			r->stale = true;
	}
}

/* One RR, of the answer or of a section behind. */
static bool read_rr(struct reading *r, uint16_t asked, bool is_answer)
{
	if (!skip_name(r) || r->at + 10 > r->len)
		return fail(r, "an RR is cut");
	const uint16_t type = (uint16_t)octets16(r, r->at);
	const size_t len = octets16(r, r->at + 8);
	r->at += 10;
	if (r->at + len > r->len)
		return fail(r, "RDATA are cut");
	if (is_answer && type != asked)
		return fail(r, "another type in the answer");

	r->n_answers += is_answer;
	if (type == TYPE_OPT)
		note_options(r, r->at + len);
	const bool is_address = (type == TYPE_A && len == 4) || (type == TYPE_AAAA && len == 16);
	if (is_address && !note_address(r, type, r->octets + r->at))
		return false;
	r->at += len;
	return true;
}

static bool read_sections(struct reading *r, uint16_t asked)
{
	const size_t answers = octets16(r, 6), all = answers + octets16(r, 8) + octets16(r, 10);

	for (size_t i = 0; i < all; i++) {
		if (!read_rr(r, asked, i < answers))
			return false;
	}
	return r->at == r->len || fail(r, "octets behind the end");
}

/* The same ID and the same question, authoritative, whole. */
static bool is_reply(struct reading *r, const uint8_t *query, size_t len)
{
	const size_t end = len - OPT_LEN;

	if (r->len < end || memcmp(r->octets, query, 2) != 0 ||
	    memcmp(r->octets + HEADER, query + HEADER, end - HEADER) != 0 || octets16(r, 4) != 1)
		return fail(r, "no reply to this question");
	if ((r->octets[2] & 0xfe) != 0x84)
		return fail(r, "not authoritative, or truncated");
	r->at = end;
	return true;
}

static uint64_t needed(const struct service *s, uint16_t type)
{
	if (type == TYPE_SRV)
		return s->must;
	return s->must & (type == TYPE_A ? s->v4 : ~s->v4);
}

enum verdict book_judge(const struct book *b, size_t question, uint16_t id, const uint8_t *reply, size_t len,
			const char **why)
{
	static struct reading r;
	uint8_t query[BOOK_QUESTION_MAX];
	const size_t query_len = book_write(b, question, id, query);
	const struct question *q = &b->questions[question];

	r = (struct reading){ .octets = reply, .len = len, .service = &b->services[q->service] };
	*why = r.why;
	if (len >= HEADER && ((reply[3] & 15) == 2 || (reply[3] & 15) == 3)) {
		snprintf(r.why, sizeof(r.why), (reply[3] & 15) == 2 ? "SERVFAIL" : "NXDOMAIN");
		return VERDICT_EMPTY;
	}
	if (len >= HEADER && (reply[3] & 15) != 0) {
		snprintf(r.why, sizeof(r.why), "rcode %d", reply[3] & 15);
		return VERDICT_WRONG;
	}
	if (!is_reply(&r, query, query_len) || !read_sections(&r, q->type))
		return VERDICT_WRONG;
	if (r.n_answers == 0) {
		fail(&r, "NODATA");
		return VERDICT_EMPTY;
	}
	if (needed(r.service, q->type) & ~r.seen) {
		fail(&r, "an address is missing");
		return VERDICT_WRONG;
	}
	return r.stale ? VERDICT_STALE : VERDICT_RIGHT;
}
