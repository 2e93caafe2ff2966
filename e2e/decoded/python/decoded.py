"""Reads decoded values with redis-py and numpy: decoded.py HOST:PORT"""

import json
import struct
import sys

import numpy as np
import redis


def strings(packed):
    """The strings of a packed string_list."""
    found, at = [], 0
    while at < len(packed):
        (length,) = struct.unpack_from("<I", packed, at)
        found.append(packed[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return found


host, port = sys.argv[1].rsplit(":", 1)
client = redis.Redis(host=host, port=int(port), protocol=2)  # no decode_responses: lists are bytes
eta, emb, stores, tags, opened, orders = client.hmget(
    "store:1", ["eta", "emb", "stores", "tags", "open", "orders"]
)
print(
    json.dumps(
        {
            "eta": float(eta),
            "emb": np.frombuffer(emb, dtype="<f4").tolist(),  # a view: nothing is copied
            "stores": np.frombuffer(stores, dtype="<i8").tolist(),
            "tags": strings(tags),
            "open": opened == b"1",
            "orders": None if orders is None else int(orders),
        }
    )
)
