"""Drives a Redis server with redis-py, as clients/README.md says.

Works with redis-py from 4.3 on; an option that repeats a version's default is
left out, so that what runs is what a user gets.
"""

import asyncio
import json
import sys
import threading

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.cluster

VERSION = redis.__version__
MAJOR = int(VERSION.split(".")[0])
DEFAULT_PROTOCOL = 3 if MAJOR >= 8 else 2
POOL = 4
SCRIPT = "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')"


def plain(value):
    """Turns an answer into what JSON can hold."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def say(check, got):
    print(json.dumps({"check": check, "got": plain(got)}))


class Target:
    """Where to connect to and what to read there, from the command line."""

    def __init__(self, argv):
        self.client, host, port, self.mode, protocol, reads, *key = argv
        self.options = {"host": host, "port": int(port)}
        if int(protocol) != DEFAULT_PROTOCOL:
            self.options["protocol"] = int(protocol)
        self.key = key[0] if key else None
        with open(reads, encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        self.reads = [(line[0], line[1:]) for line in lines]

    @property
    def cluster(self):
        return self.mode == "cluster"

    @property
    def transactions(self):
        """Whether the library has MULTI in this mode."""
        return not self.cluster or MAJOR >= 6


def client_info(answer):
    """CLIENT INFO as text; redis-py parses it into a dict."""
    return " ".join(f"{k}={v}" for k, v in plain(answer).items())


def connect(target):
    if target.cluster:
        return redis.cluster.RedisCluster(**target.options)
    return redis.Redis(**target.options, max_connections=POOL)


def pooled(client, target):
    """All reads by POOL threads that share the client."""
    got = [None] * POOL

    def read(i):
        got[i] = [client.hmget(k, f) for k, f in target.reads]

    threads = [threading.Thread(target=read, args=(i,)) for i in range(POOL)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def check_reads(client, target):
    if target.cluster:
        info = client.execute_command("CLIENT INFO", target_nodes=client.get_random_node())
    else:
        info = client.execute_command("CLIENT INFO")
    say("protocol", info if isinstance(info, (bytes, str)) else client_info(info))
    say("hmget", [client.hmget(k, f) for k, f in target.reads])
    say("hget", [client.hget(k, f[0]) for k, f in target.reads])
    pipe = client.pipeline() if target.cluster else client.pipeline(transaction=False)
    for k, f in target.reads:
        pipe.hmget(k, f)
    say("pipeline", pipe.execute())
    say("pool", pooled(client, target))


def check_writes(client, target):
    key = target.key
    say("hset", client.hset(key, mapping={"a": "1", "b": "2"}))
    say("hmget after hset", client.hmget(key, ["a", "b", "c"]))
    say("hset again", client.hset(key, "a", "3"))
    say("hmget after hset again", client.hmget(key, ["a", "b", "c"]))
    say("hgetall", client.hgetall(key))
    say("expire", int(client.expire(key, 1000)))
    if target.transactions:
        multi = client.pipeline(transaction=True)
        multi.hset(key, "c", "5")
        multi.hmget(key, ["a", "b", "c"])
        say("multi", multi.execute())
    say("eval", client.eval(SCRIPT, 1, key, "9"))
    say("hmget after eval", client.hmget(key, ["a", "b"]))
    say("pubsub", publish(client, key))
    say("del", client.delete(key))
    say("hmget after del", client.hmget(key, ["a", "b", "c"]))


def publish(client, channel):
    pubsub = client.pubsub()
    pubsub.subscribe(channel)
    assert pubsub.get_message(timeout=10)["type"] == "subscribe"
    client.publish(channel, "hello")
    message = pubsub.get_message(timeout=10)
    pubsub.close()
    return message["data"]


def drive(target):
    client = connect(target)
    check_reads(client, target)
    client.close()
    client = connect(target)
    say("reconnect", client.hmget(*target.reads[0]))
    if target.key:
        check_writes(client, target)
    client.close()


def connect_asyncio(target):
    if target.cluster:
        return redis.asyncio.cluster.RedisCluster(**target.options)
    return redis.asyncio.Redis(**target.options, max_connections=POOL)


async def check_reads_asyncio(client, target):
    # First, for it makes the client find its nodes.
    say("hmget", [await client.hmget(k, f) for k, f in target.reads])
    if target.cluster:
        info = await client.execute_command("CLIENT INFO", target_nodes=client.get_random_node())
    else:
        info = await client.execute_command("CLIENT INFO")
    say("protocol", info if isinstance(info, (bytes, str)) else client_info(info))
    say("hget", [await client.hget(k, f[0]) for k, f in target.reads])
    pipe = client.pipeline() if target.cluster else client.pipeline(transaction=False)
    for k, f in target.reads:
        pipe.hmget(k, f)
    say("pipeline", await pipe.execute())

    async def read():
        return [await client.hmget(k, f) for k, f in target.reads]

    say("pool", await asyncio.gather(*(read() for _ in range(POOL))))


async def check_writes_asyncio(client, target):
    key = target.key
    say("hset", await client.hset(key, mapping={"a": "1", "b": "2"}))
    say("hmget after hset", await client.hmget(key, ["a", "b", "c"]))
    say("hset again", await client.hset(key, "a", "3"))
    say("hmget after hset again", await client.hmget(key, ["a", "b", "c"]))
    say("hgetall", await client.hgetall(key))
    say("expire", int(await client.expire(key, 1000)))
    if target.transactions:
        multi = client.pipeline(transaction=True)
        multi.hset(key, "c", "5")
        multi.hmget(key, ["a", "b", "c"])
        say("multi", await multi.execute())
    say("eval", await client.eval(SCRIPT, 1, key, "9"))
    say("hmget after eval", await client.hmget(key, ["a", "b"]))
    if hasattr(client, "pubsub"):
        say("pubsub", await publish_asyncio(client, key))
    say("del", await client.delete(key))
    say("hmget after del", await client.hmget(key, ["a", "b", "c"]))


async def publish_asyncio(client, channel):
    pubsub = client.pubsub()
    await pubsub.subscribe(channel)
    assert (await pubsub.get_message(timeout=10))["type"] == "subscribe"
    await client.publish(channel, "hello")
    message = await pubsub.get_message(timeout=10)
    await (pubsub.close if MAJOR < 5 else pubsub.aclose)()
    return message["data"]


async def drive_asyncio(target):
    client = connect_asyncio(target)
    await check_reads_asyncio(client, target)
    await (client.close if MAJOR < 5 else client.aclose)()
    client = connect_asyncio(target)
    say("reconnect", await client.hmget(*target.reads[0]))
    if target.key:
        await check_writes_asyncio(client, target)
    await (client.close if MAJOR < 5 else client.aclose)()


def main():
    target = Target(sys.argv[1:])
    say("version", VERSION)
    if target.client == "redis-py":
        drive(target)
    elif target.client == "redis-py asyncio":
        asyncio.run(drive_asyncio(target))
    else:
        sys.exit(f"no such client: {target.client}")


if __name__ == "__main__":
    main()
