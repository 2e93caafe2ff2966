"""Drives a Redis server with redis-py's default settings.

Usage: drive.py HOST PORT KEY. Prints what each step answered as one JSON
object and the library's version beside it; the test knows what to expect.
"""

import json
import sys

import redis


def drive(client, key):
    steps = {"ping": client.ping()}
    steps["hset"] = client.hset(key, mapping={"a": "1", "b": "2"})
    steps["hmget"] = client.hmget(key, ["a", "b", "c"])
    steps["hmget again"] = client.hmget(key, ["a", "b", "c"])
    steps["hset again"] = client.hset(key, "a", "3")
    steps["hmget after hset"] = client.hmget(key, ["a", "b", "c"])
    steps["hget"] = client.hget(key, "a")
    # JSON has no bytes for keys; for values json.dump decodes them.
    steps["hgetall"] = {f.decode(): v for f, v in client.hgetall(key).items()}
    steps["expire"] = int(client.expire(key, 1000))
    steps["ttl is set"] = 0 < client.ttl(key) <= 1000

    with client.pipeline(transaction=True) as multi:
        multi.hset(key, "c", "5")
        multi.hmget(key, ["a", "b", "c"])
        steps["multi"] = multi.execute()
    with client.pipeline(transaction=False) as pipe:
        pipe.hset(key, "d", "7")
        pipe.hmget(key, ["d", "a"])
        pipe.hget(key, "d")
        pipe.hdel(key, "d")
        pipe.hmget(key, ["d", "a"])
        steps["pipeline"] = pipe.execute()

    steps["del"] = client.delete(key)
    steps["hmget after del"] = client.hmget(key, ["a", "b", "c"])
    return steps


def main():
    host, port, key = sys.argv[1:]
    client = redis.Redis(host=host, port=int(port))
    steps = drive(client, key)
    client.close()
    json.dump({"version": redis.__version__, "steps": steps}, sys.stdout, default=bytes.decode)


if __name__ == "__main__":
    main()
