/* SPDX-License-Identifier: BSD-2-Clause */
/* support/steady_book.h -- which services there are, and whether a reply about one is right.
 *
 *   file --book_read--> book --book_draw--> question --server--> reply --book_judge--> verdict
 *
 * A line of the file is a name and its addresses. Those with a + before must be in every answer, the others
 * may be. Every service of the book is there: an answer without addresses is never right.
 */
#ifndef PHONEBOOK_TEST_STEADY_BOOK_H
#define PHONEBOOK_TEST_STEADY_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BOOK_QUESTION_MAX = 12 + 255 + 4 + 11 };

struct book;

enum verdict {
	VERDICT_RIGHT,
	VERDICT_STALE, /* right, and marked as stale */
	VERDICT_WRONG, /* an address that is not allowed, or one too few; no answer to this question */
	VERDICT_EMPTY, /* NODATA, NXDOMAIN, SERVFAIL */
};

/* NULL, after a line on stderr, when it cannot be read. */
struct book *book_read(const char *path);
void book_free(struct book *b); /* NULL is fine */

/* Its questions are numbered from 0: each service by A or AAAA where it has such addresses, and by SRV. */
size_t book_questions(const struct book *b);

/* The question as it goes over UDP; returns its length. */
size_t book_write(const struct book *b, size_t question, uint16_t id, uint8_t ret[BOOK_QUESTION_MAX]);

/* "inventory.service.local AAAA"; good until the next call. */
const char *book_text(const struct book *b, size_t question);

/* What is to be said of the reply, and why; good until the next call. */
enum verdict book_judge(const struct book *b, size_t question, uint16_t id, const uint8_t *reply, size_t len,
			const char **why);

#endif
