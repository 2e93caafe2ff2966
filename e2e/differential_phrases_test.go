//go:build e2e

package e2e

// phrases is what sequences are made of. A family is chosen by its weight; its
// phrases are equally likely.
var phrases = []struct {
	weight  int
	phrases []string
}{
	{40, []string{
		"HMGET <h> <fields>", "HMGET <h> <fields>", "HMGET <h> <fields>", "HMGET <h> <f> +", "HGET <h> <f>", "HGET <h> f0",
	}},
	{24, []string{
		"HSET <h> <fv> +", "HSET <h> <fv> +", "HSET <h> f0 <v> f1 <v>", "HMSET <h> <fv> +", "HSETNX <h> <f> <v>", "HDEL <h> <f> +",
		"HINCRBY <h> <f> <i>", "HINCRBYFLOAT <h> <f> <d>",
	}},
	{6, []string{
		"HGETALL <h>", "HKEYS <h>", "HVALS <h>", "HLEN <h>", "HEXISTS <h> <f>", "HSTRLEN <h> <f>",
		"HRANDFIELD <h> [ <i> [ WITHVALUES ] ]", "HSCAN <h> 0 [ MATCH <pattern> ] COUNT 1000",
		// Later than this version of the store, or not at all.
		"HGETDEL <h> FIELDS <n> <f> +", "HEXPIRE <h> 100 FIELDS <n> <f> +", "HSETEX <h> FIELDS 1 <fv>",
	}},
	{1, []string{"FLUSHDB [ ASYNC ]", "FLUSHALL [ ( SYNC | ASYNC | x ) ]", "SWAPDB <db> <db>"}},
	{12, []string{
		"DEL <k> +", "UNLINK <k> +", "EXISTS <k> +", "TYPE <k>", "RENAME <k> <k>", "RENAME <h> <h>", "RENAMENX <k> <k>", "TOUCH <k> +",
		"COPY <k> <k> [ DB <db> ] [ REPLACE ]", "COPY <h> <h> REPLACE", "MOVE <k> <db>", "OBJECT ENCODING <k>", "OBJECT REFCOUNT <k>",
		"OBJECT HELP", "OBJECT FREQ <k>", "KEYS <pattern>", "DBSIZE", "RANDOMKEY", "SCAN 0 [ MATCH <pattern> ] COUNT 10000 [ TYPE hash ]",
		"DUMP none", "RESTORE <k> 0 <v> [ REPLACE ]",
		"SORT <l> [ ALPHA ] [ DESC ] [ LIMIT <i> <i> ] [ STORE <k> ]", "SORT_RO <l> [ ALPHA ] [ GET # ] [ GET h* ]",
	}},
	{7, []string{
		"EXPIRE <k> -1", "EXPIRE <h> 0", "PEXPIRE <k> -5", "EXPIREAT <k> 1", "PEXPIREAT <h> 1", "EXPIRE <k> 10000 [ ( NX | XX | GT | LT | x ) ]",
		"EXPIREAT <k> <far>", "EXPIRETIME <k>", "PERSIST <k>", "TTL <k>", "PTTL <k>", "EXPIRE <k> 9000", "EXPIREAT <k> <far> ( NX | XX )",
	}},
	{8, []string{
		"GET <s>", "SET <s> <v> [ ( NX | XX | GET | KEEPTTL | EX 1000 | EXAT <far> | PX 0 | NX XX ) ]", "SET <k> <v>", "GETSET <s> <v>", "APPEND <s> <v>",
		"STRLEN <s>", "SETRANGE <s> <n> <v>", "GETRANGE <s> <i> <i>", "SUBSTR <s> 0 -1", "INCR <s>", "DECR <s>", "INCRBY <s> <i>", "DECRBY <s> <i>",
		"INCRBYFLOAT <s> <d>", "MGET <s> +", "MGET <k> +", "MSET <kv> +", "MSET <h> <v> <h> <v>", "MSETNX <kv> +", "SETNX <k> <v>", "SETEX <k> 1000 <v>",
		"PSETEX <s> 0 <v>", "GETDEL <k>", "GETEX <k> [ ( PERSIST | EXAT <far> | EXAT 1 ) ]", "LCS <s> <s> [ ( LEN | IDX ) ]",
	}},
	{5, []string{
		"LPUSH <l> <v> +", "RPUSH <l> <v> +", "LPUSHX <l> <v>", "LPOP <l> [ <i> ]", "RPOP <l> [ <i> ]", "LLEN <l>", "LRANGE <l> <i> <i>", "LINDEX <l> <i>",
		"LSET <l> <i> <v>", "LREM <l> <i> <v>", "LTRIM <l> <i> <i>", "LINSERT <l> ( BEFORE | AFTER | x ) <v> <v>", "LPOS <l> <v> [ RANK <i> ] [ COUNT <i> ]",
		"LMOVE <l> <l> ( LEFT | RIGHT ) ( LEFT | x )", "RPOPLPUSH <l> <l>", "LMPOP <n> <l> + LEFT [ COUNT <i> ]",
		"BLPOP <l> + 0.01", "BRPOP <l> 0.01", "BLMOVE <l> <l> LEFT RIGHT 0.01", "BLMPOP 0.01 1 <l> LEFT", "BRPOPLPUSH <l> <l> 0.01",
	}},
	{4, []string{
		"SADD <S> <m> +", "SADD <S> <i> +", "SREM <S> <m> +", "SCARD <S>", "SISMEMBER <S> <m>", "SMISMEMBER <S> <m> +", "SMEMBERS <S>", "SMOVE <S> <S> <m>",
		"SINTER <S> +", "SUNION <S> +", "SDIFF <S> +", "SINTERSTORE <k> <S> +", "SUNIONSTORE <k> <S> +", "SDIFFSTORE <k> <S> +", "SINTERCARD <n> <S> + [ LIMIT <i> ]",
		"SPOP <S> 1000", "SRANDMEMBER <S> [ <i> ]", "SSCAN <S> 0 COUNT 1000",
	}},
	{5, []string{
		"ZADD <z> [ ( NX | XX | GT | LT | NX XX ) ] [ CH ] <dm> +", "ZADD <z> INCR <dm>", "ZREM <z> <m> +", "ZCARD <z>", "ZCOUNT <z> <bound> <bound>", "ZSCORE <z> <m>",
		"ZMSCORE <z> <m> +", "ZINCRBY <z> <d> <m>", "ZRANK <z> <m>", "ZREVRANK <z> <m>", "ZRANGE <z> <i> <i> [ REV ] [ WITHSCORES ]",
		"ZRANGE <z> <bound> <bound> BYSCORE [ LIMIT <i> <i> ]", "ZRANGE <z> <lex> <lex> BYLEX", "ZREVRANGE <z> 0 -1 WITHSCORES", "ZRANGEBYSCORE <z> <bound> <bound> [ WITHSCORES ]",
		"ZRANGEBYLEX <z> <lex> <lex>", "ZLEXCOUNT <z> <lex> <lex>", "ZPOPMIN <z> [ <i> ]", "ZPOPMAX <z>", "ZMPOP 1 <z> MIN", "ZREMRANGEBYSCORE <z> <bound> <bound>",
		"ZREMRANGEBYRANK <z> <i> <i>", "ZREMRANGEBYLEX <z> <lex> <lex>", "ZUNION 2 <z> <z> [ WEIGHTS <i> <i> ] [ WITHSCORES ]", "ZINTER 2 <z> <z> [ AGGREGATE MAX ] [ WITHSCORES ]",
		"ZDIFF 2 <z> <z> WITHSCORES", "ZUNIONSTORE <k> <n> <z> <z>", "ZINTERSTORE <k> 2 <z> <z>", "ZDIFFSTORE <k> 2 <z> <z>", "ZRANGESTORE <k> <z> 0 -1", "ZINTERCARD 2 <z> <z>",
		"ZRANDMEMBER <z> [ <i> ]", "ZSCAN <z> 0 COUNT 1000", "BZPOPMIN <z> 0.01", "BZMPOP 0.01 1 <z> MAX",
	}},
	{4, []string{
		"XADD <x> [ NOMKSTREAM ] [ MAXLEN <i> ] <id> <fv> +", "XADD <x> <id> <f>", "XLEN <x>", "XRANGE <x> <from> <to> [ COUNT <i> ]", "XREVRANGE <x> <to> <from>", "XDEL <x> <id> +",
		"XTRIM <x> MAXLEN <i>", "XTRIM <x> MINID <id>", "XREAD [ COUNT <i> ] STREAMS <x> <id>", "XREAD BLOCK 10 STREAMS <x> $", "XREAD STREAMS <x> <x> 0", "XGROUP CREATE <x> <group> ( $ | 0 ) [ MKSTREAM ]",
		"XGROUP CREATECONSUMER <x> <group> <consumer>", "XGROUP DELCONSUMER <x> <group> <consumer>", "XGROUP DESTROY <x> <group>", "XGROUP SETID <x> <group> 0", "XGROUP HELP", "XGROUP x <x>",
		"XREADGROUP GROUP <group> <consumer> [ COUNT <i> ] [ NOACK ] STREAMS <x> ( > | 0 )", "XACK <x> <group> <id> +", "XPENDING <x> <group> [ - + 10 ]",
		"XCLAIM <x> <group> <consumer> 0 <id> + [ JUSTID ]", "XAUTOCLAIM <x> <group> <consumer> 0 0 [ COUNT <n> ]", "XSETID <x> <id>", "XINFO STREAM <x>", "XINFO GROUPS <x>", "XINFO CONSUMERS <x> <group>",
	}},
	{4, []string{
		"SETBIT <b> <i> ( 0 | 1 | 2 )", "GETBIT <b> <i>", "BITCOUNT <b> [ <i> <i> [ ( BYTE | BIT ) ] ]", "BITPOS <b> 1 [ <i> ]", "BITOP ( AND | OR | XOR | NOT | x ) <k> <b> +",
		"BITFIELD <b> [ SET u8 <i> <i> ] [ INCRBY i5 <i> <i> ] [ OVERFLOW SAT GET u4 0 ]", "BITFIELD_RO <b> GET u8 <n>",
		"PFADD <hl> <v> +", "PFCOUNT <hl> +", "PFMERGE <k> <hl> +",
		"GEOADD <g> <lng> <lat> <m>", "GEODIST <g> <m> <m> [ km ]", "GEOHASH <g> <m> +", "GEOPOS <g> <m> +", "GEOSEARCH <g> FROMLONLAT 15 37 BYRADIUS 200 km ASC [ WITHDIST ] [ WITHCOORD ]",
		"GEOSEARCHSTORE <k> <g> FROMMEMBER <m> BYBOX 400 400 km ASC", "GEORADIUS <g> 15 37 <n> km [ WITHHASH ] ASC [ STORE <k> ]", "GEORADIUSBYMEMBER <g> <m> 100 km ASC", "GEORADIUS_RO <g> 15 37 100 km DESC",
	}},
	{6, []string{
		"EVAL <script> 1 <h> <i>", "EVAL <script> 1 <h> <v>", "EVAL <script> 1 <k> <i>", "EVAL <script> <i> <h> <i>", "EVAL_RO <script> 1 <h> <i>", "SCRIPT LOAD <script>",
		"EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 <h> <i>", "EVALSHA 5a2d4b8a 0", "SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "SCRIPT FLUSH [ ASYNC ]", "SCRIPT KILL", "SCRIPT x",
		"FUNCTION LIST", "FUNCTION STATS", "FUNCTION KILL", "FUNCTION DELETE lib", "FCALL set 1 <h> <f> <v>", "FCALL_RO get 1 <h> <f>", "FCALL none 0",
		"FUNCTION LOAD [ REPLACE ] <library>", "FUNCTION LOAD <library>",
	}},
	{9, []string{
		"MULTI", "MULTI", "EXEC", "DISCARD", "WATCH <k> +", "WATCH <h>", "UNWATCH",
	}},
	{10, []string{
		"PING", "PING <word>", "ECHO <word>", "SELECT <db>", "SELECT 0", "HELLO [ ( 2 | 3 | 3 | 4 | x ) [ SETNAME <name> ] [ <word> ] ]", "HELLO 3", "HELLO 2", "RESET", "QUIT",
		"CLIENT SETNAME <name>", "CLIENT GETNAME", "CLIENT ID", "CLIENT INFO", "CLIENT LIST", "CLIENT NO-EVICT ( on | off | x )", "CLIENT <word>", "CLIENT REPLY ( ON | OFF | SKIP | x )",
		"CLIENT SETINFO lib-name <word>", "CLIENT KILL 127.0.0.1:1", "CLIENT UNBLOCK 123456 [ <word> ]",
		"TIME", "ROLE", "LOLWUT", "INFO", "INFO keyspace", "INFO <word>", "COMMAND COUNT", "COMMAND GETKEYS <any>", "COMMAND INFO <word>", "CONFIG GET ( maxmemory | save | databases | DATABASES timeout | hz | list-* | x )",
		"CLUSTER <word>", "READONLY", "AUTH <word>", "WAIT 0 0", "LASTSAVE", "ACL WHOAMI", "ACL <word>", "MEMORY <word>", "LATENCY <word>", "SLOWLOG LEN",
		"PUBLISH <channel> <v>", "PUBSUB CHANNELS", "PUBSUB NUMSUB <channel>", "PUBSUB NUMPAT",
	}},
	// One pattern alone: the order of messages by several is random.
	{2, []string{
		"SUBSCRIBE <channel> +", "PSUBSCRIBE ch?", "UNSUBSCRIBE [ <channel> ]", "PUNSUBSCRIBE [ <pattern> ]", "SSUBSCRIBE <channel>", "SPUBLISH <channel> <v>", "PUBLISH <channel> <v>",
	}},
}

// afterSubscribing is what a subscriber goes on with.
var afterSubscribing = []string{
	"SUBSCRIBE <channel> +", "PSUBSCRIBE ch?", "UNSUBSCRIBE <channel>", "PUNSUBSCRIBE ch?", "PING", "PING <word>", "RESET", "RESET", "QUIT",
	"HMGET <h> <fields>", "HSET <h> <fv>", "PUBLISH <channel> <v>", "CLIENT GETNAME", "ECHO <word>",
}
