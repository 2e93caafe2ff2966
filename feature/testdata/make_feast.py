"""Makes feast.json and feast-registry.json with Feast itself.

    redis-server --port 27931 --save "" &
    python3 -m venv v && v/bin/pip install feast redis
    v/bin/python make_feast.py 27931

feast.json is the Redis store after Feast has written two drivers to it: for
each key the field and value of each feature, in hexadecimal.
feast-registry.json is what `feast registry-dump` prints of the same registry.
"""

import datetime
import json
import pathlib
import sys
import tempfile

import pandas as pd
import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp

port = int(sys.argv[1])
here = pathlib.Path(__file__).resolve().parent
scratch = pathlib.Path(tempfile.mkdtemp())
now = pd.Timestamp("2026-01-02T03:04:05Z")
columns = {
    "conv_rate": (Float32, [0.25, None]),
    "acc": (Float64, [0.1, 0.2]),
    "trips": (Int64, [7, 8]),
    "n32": (Int32, [5, 6]),
    "city": (String, ["Zürich", "SF"]),
    "emb": (Array(Float32), [[0.5, -1.25, 3.0], [1.0, 2.0, 3.0]]),
    "recent": (Array(Int64), [[1, -2, 3], [4]]),
    "tags": (Array(String), [["a", "bc"], []]),
    "active": (Bool, [True, False]),
    "seen": (UnixTimestamp, [now, now]),
}
frame = pd.DataFrame({"driver_id": [1001, 1002], "event_timestamp": [now, now], **{n: c[1] for n, c in columns.items()}})
frame["n32"] = frame["n32"].astype("int32")
frame.to_parquet(scratch / "drivers.parquet")
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="driver_stats",
    entities=[driver],
    ttl=datetime.timedelta(days=1),
    source=FileSource(name="drivers", path=str(scratch / "drivers.parquet"), timestamp_field="event_timestamp"),
    schema=[Field(name=n, dtype=c[0]) for n, c in columns.items()],
)
store = FeatureStore(
    config=RepoConfig(
        project="demo",
        provider="local",
        registry=str(scratch / "registry.db"),
        online_store={"type": "redis", "connection_string": f"localhost:{port}"},
        entity_key_serialization_version=3,
    )
)
store.apply([driver, view])
store.write_to_online_store("driver_stats", df=frame)
client = redis.Redis(port=port)
keys = {k.hex(): {f.hex(): v.hex() for f, v in sorted(client.hgetall(k).items())} for k in sorted(client.keys("*"))}
several = EntityKey(
    join_keys=["zone", "driver_id", "tag", "at", "n"],
    entity_values=[Value(string_val="Zürich"), Value(int64_val=-5), Value(bytes_val=b"\0\1"), Value(unix_timestamp_val=1767323045), Value(int32_val=9)],
)
result = {"project": "demo", "view": "driver_stats", "keys": keys, "several": serialize_entity_key(several, 3).hex()}
(here / "feast.json").write_text(json.dumps(result, indent=1) + "\n")

dump = store.registry.to_dict("demo")
text = json.dumps(dump, indent=2, sort_keys=True).replace(str(scratch) + "/", "")
(here / "feast-registry.json").write_text(text + "\n")
