/*
 * Drives a Redis server with hiredis, as clients/README.md says. hiredis knows
 * no clusters and, before 1.0, no RESP3.
 */
#define _GNU_SOURCE /* strdup, strsep */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	pool_size = 4,   /* connections used at once */
	max_reads = 200, /* lines of the file of reads */
	max_words = 64,  /* words of a line, HMGET included */
	max_line = 64 << 10, /* bytes of a line */
};

static const char script[] =
	"redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')";

/* One HMGET of the file, as arguments. */
struct request {
	int argc;
	const char *argv[max_words];
	size_t lengths[max_words];
};

static const char *host;
static int port;
static struct request reads[max_reads];
static int read_count;

static void die(const char *what, const char *why) {
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static redisContext *open_connection(void) {
	redisContext *c = redisConnect(host, port);
	if (c == NULL) die("connecting", "out of memory");
	if (c->err) die("connecting", c->errstr);
	return c;
}

/* checked ends the program when reply is none or an error. */
static redisReply *checked(redisContext *c, const char *what, void *reply) {
	redisReply *r = reply;
	if (r == NULL) die(what, c->errstr);
	if (r->type == REDIS_REPLY_ERROR) die(what, r->str);
	return r;
}

static void load_reads(const char *path) {
	static char line[max_line];
	FILE *file = fopen(path, "r");
	if (file == NULL) die("opening the reads", path);
	while (read_count < max_reads && fgets(line, sizeof line, file)) {
		struct request *r = &reads[read_count++];
		char *rest = strdup(line), *word;
		if (rest == NULL) die("reading the reads", "out of memory");
		rest[strcspn(rest, "\n")] = '\0';
		r->argv[r->argc++] = "HMGET";
		while (r->argc < max_words && (word = strsep(&rest, "\t")) != NULL) r->argv[r->argc++] = word;
		for (int i = 0; i < r->argc; i++) r->lengths[i] = strlen(r->argv[i]);
	}
	fclose(file);
}

static void print_string(const char *s, size_t length) {
	putchar('"');
	for (size_t i = 0; i < length; i++) {
		unsigned char b = (unsigned char)s[i];
		if (b == '"' || b == '\\')
			printf("\\%c", b);
		else if (b < 0x20)
			printf("\\u%04x", b);
		else
			putchar(b);
	}
	putchar('"');
}

static void print_reply(const redisReply *r) {
	switch (r->type) {
	case REDIS_REPLY_NIL:
		printf("null");
		break;
	case REDIS_REPLY_INTEGER:
		printf("%lld", r->integer);
		break;
	case REDIS_REPLY_ARRAY:
		putchar('[');
		for (size_t i = 0; i < r->elements; i++) {
			if (i > 0) putchar(',');
			print_reply(r->element[i]);
		}
		putchar(']');
		break;
	default:
		print_string(r->str, r->len);
	}
}

static void print_replies(redisReply **replies, int n) {
	putchar('[');
	for (int i = 0; i < n; i++) {
		if (i > 0) putchar(',');
		print_reply(replies[i]);
		freeReplyObject(replies[i]);
	}
	putchar(']');
}

static void begin(const char *check) { printf("{\"check\":\"%s\",\"got\":", check); }
static void end(void) { printf("}\n"); }

/* say sends one command and prints its answer as a check. */
static void say(redisContext *c, const char *check, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	redisReply *r = checked(c, check, redisvCommand(c, format, arguments));
	va_end(arguments);
	begin(check);
	print_reply(r);
	end();
	freeReplyObject(r);
}

static redisReply *send_read(redisContext *c, struct request *r) {
	return checked(c, "HMGET", redisCommandArgv(c, r->argc, r->argv, r->lengths));
}

/* use_pool is one of the users of the pool: all reads on a connection of its
 * own, into the array of replies that it is given. */
static void *use_pool(void *replies) {
	redisReply **into = replies;
	redisContext *c = open_connection();
	for (int i = 0; i < read_count; i++) into[i] = send_read(c, &reads[i]);
	redisFree(c);
	return NULL;
}

static void check_pool(void) {
	static redisReply *replies[pool_size][max_reads];
	pthread_t users[pool_size];
	for (int i = 0; i < pool_size; i++)
		if (pthread_create(&users[i], NULL, use_pool, replies[i]) != 0) die("pool", "no thread");
	for (int i = 0; i < pool_size; i++) pthread_join(users[i], NULL);
	begin("pool");
	for (int i = 0; i < pool_size; i++) {
		putchar(i == 0 ? '[' : ',');
		print_replies(replies[i], read_count);
	}
	putchar(']');
	end();
}

static void check_reads(redisContext *c) {
	static redisReply *replies[max_reads];
	for (int i = 0; i < read_count; i++) replies[i] = send_read(c, &reads[i]);
	begin("hmget");
	print_replies(replies, read_count);
	end();

	for (int i = 0; i < read_count; i++)
		replies[i] = checked(c, "HGET", redisCommand(c, "HGET %s %s", reads[i].argv[1], reads[i].argv[2]));
	begin("hget");
	print_replies(replies, read_count);
	end();

	say(c, "protocol", "CLIENT INFO");

	for (int i = 0; i < read_count; i++)
		if (redisAppendCommandArgv(c, reads[i].argc, reads[i].argv, reads[i].lengths) != REDIS_OK)
			die("pipeline", c->errstr);
	for (int i = 0; i < read_count; i++) {
		void *reply = NULL;
		if (redisGetReply(c, &reply) != REDIS_OK) die("pipeline", c->errstr);
		replies[i] = checked(c, "pipeline", reply);
	}
	begin("pipeline");
	print_replies(replies, read_count);
	end();

	check_pool();
}

static void check_hgetall(redisContext *c, const char *key) {
	redisReply *r = checked(c, "hgetall", redisCommand(c, "HGETALL %s", key));
	begin("hgetall");
	for (size_t i = 0; i + 1 < r->elements; i += 2) {
		putchar(i == 0 ? '{' : ',');
		print_reply(r->element[i]);
		putchar(':');
		print_reply(r->element[i + 1]);
	}
	putchar('}');
	end();
	freeReplyObject(r);
}

static void check_pubsub(redisContext *c, const char *channel) {
	redisContext *subscriber = open_connection();
	freeReplyObject(checked(subscriber, "subscribing", redisCommand(subscriber, "SUBSCRIBE %s", channel)));
	freeReplyObject(checked(c, "publishing", redisCommand(c, "PUBLISH %s %s", channel, "hello")));
	void *reply = NULL;
	if (redisGetReply(subscriber, &reply) != REDIS_OK) die("pubsub", subscriber->errstr);
	redisReply *message = checked(subscriber, "pubsub", reply);
	if (message->type != REDIS_REPLY_ARRAY || message->elements != 3) die("pubsub", "no message");
	begin("pubsub");
	print_reply(message->element[2]);
	end();
	freeReplyObject(message);
	redisFree(subscriber);
}

static void check_writes(redisContext *c, const char *key) {
	say(c, "hset", "HSET %s a 1 b 2", key);
	say(c, "hmget after hset", "HMGET %s a b c", key);
	say(c, "hset again", "HSET %s a 3", key);
	say(c, "hmget after hset again", "HMGET %s a b c", key);
	check_hgetall(c, key);
	say(c, "expire", "EXPIRE %s 1000", key);
	freeReplyObject(checked(c, "MULTI", redisCommand(c, "MULTI")));
	freeReplyObject(checked(c, "HSET in MULTI", redisCommand(c, "HSET %s c 5", key)));
	freeReplyObject(checked(c, "HMGET in MULTI", redisCommand(c, "HMGET %s a b c", key)));
	say(c, "multi", "EXEC");
	say(c, "eval", "EVAL %s 1 %s 9", script, key);
	say(c, "hmget after eval", "HMGET %s a b", key);
	check_pubsub(c, key);
	say(c, "del", "DEL %s", key);
	say(c, "hmget after del", "HMGET %s a b c", key);
}

int main(int argc, char **argv) {
	if (argc < 7) die("usage", "drive CLIENT HOST PORT MODE PROTOCOL READS [KEY]");
	host = argv[2];
	port = atoi(argv[3]);
	if (strcmp(argv[1], "hiredis") || strcmp(argv[4], "standalone") || strcmp(argv[5], "2"))
		die("hiredis", "standalone and RESP2 only");
	load_reads(argv[6]);
	printf("{\"check\":\"version\",\"got\":\"%d.%d.%d\"}\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);

	redisContext *c = open_connection();
	check_reads(c);
	redisFree(c);

	c = open_connection();
	redisReply *first = send_read(c, &reads[0]);
	begin("reconnect");
	print_reply(first);
	end();
	freeReplyObject(first);
	if (argc > 7) check_writes(c, argv[7]);
	redisFree(c);
	return 0;
}
