"""A prediction's reads in Python: client.py ROUTE HOST:PORT ENTITIES PREDICTIONS

Prints the seconds of its own CPU and of the clock that a prediction takes.
"""

import json
import sys
import time

import cramjam
import numpy as np
import redis
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def message(name, kind):
    """A message whose field 1 is a packed list, as feature.proto has it."""
    file = descriptor_pb2.FileDescriptorProto(name=name + ".proto", syntax="proto3", package="bench")
    field = file.message_type.add(name=name).field.add(name="values", number=1, label=3)
    field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench." + name))


Embedding = message("Embedding", descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT)
IntList = message("IntList", descriptor_pb2.FieldDescriptorProto.TYPE_INT64)


def from_stored(values):
    *numbers, embedding, stores = values
    plain = bytes(cramjam.snappy.decompress_raw(stores))
    return (
        [float(x) for x in numbers],
        np.array(Embedding.FromString(embedding).values, dtype=np.float32),
        np.array(IntList.FromString(plain).values, dtype=np.int64),
    )


def from_decoded(values):
    *numbers, embedding, stores = values
    return (
        [float(x) for x in numbers],
        np.frombuffer(embedding, dtype="<f4"),
        np.frombuffer(stores, dtype="<i8"),
    )


route, address, entities, predictions = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
decode = from_decoded if route == "decoded" else from_stored
host, port = address.rsplit(":", 1)
client = redis.Redis(host=host, port=int(port), protocol=2)
names = [f"number{i}" for i in range(8)] + ["embedding", "stores"]
PREDICTION = 100


def predict(n):
    pipe = client.pipeline(transaction=False)
    for i in range(PREDICTION):
        pipe.hmget(f"store:{(n * PREDICTION + i) % entities}", names)
    total = 0.0
    for values in pipe.execute():
        numbers, embedding, stores = decode(values)
        total += sum(numbers) + float(embedding[0]) + int(stores[0])
    return total


for n in range(entities // PREDICTION):  # fills the cache, warms the interpreter
    predict(n)
cpu, clock = time.process_time(), time.perf_counter()
for n in range(predictions):
    predict(n)
cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
print(json.dumps({"cpu": cpu / predictions, "clock": clock / predictions}))
