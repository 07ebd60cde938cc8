/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PHONEBOOK_FEED_QUERY_H
#define PHONEBOOK_FEED_QUERY_H
/* placeholder of the lead's; the real one comes from branch dns */
#include "feed/fetch.h"
struct querier;
struct query;
int querier_start(struct querier *q, const struct fetch_request *request, fetch_heard_fn heard, void *context,
		  struct query **ret);
void query_cancel(struct query *q);
#endif
