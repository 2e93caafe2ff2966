"""Makes vectors.json: stored values written by other implementations.

    python3 -m venv v && v/bin/pip install protobuf grpcio-tools python-snappy feast
    v/bin/python vectors.py > vectors.json

Each vector has a form as the catalogue names it, the stored bytes and the
decoded ones, both in hexadecimal. "canonical" says that encoding the decoded
value gives exactly the stored bytes.
"""

import json
import pathlib
import struct
import sys
import tempfile

import snappy
from feast.protos.feast.types import Value_pb2 as feast
from google.protobuf import json_format  # noqa: F401  (fails early without protobuf)
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
out = tempfile.mkdtemp()
assert protoc.main(["protoc", f"-I{PROTO}", f"--python_out={out}", "feature.proto"]) == 0
# The same shapes with elements one by one, as proto2 writes them.
pathlib.Path(out, "unpacked.proto").write_text(
    'syntax = "proto2";\npackage unpacked;\n'
    "message Floats { repeated float values = 1 [packed=false]; }\n"
    "message Ints { repeated int64 values = 1 [packed=false]; }\n"
    "message Wider { repeated float values = 1 [packed=true]; optional string model = 7; }\n"
)
assert protoc.main(["protoc", f"-I{out}", f"--python_out={out}", "unpacked.proto"]) == 0
sys.path.insert(0, out)
import feature_pb2 as pb  # noqa: E402
import unpacked_pb2 as unpacked  # noqa: E402

vectors = []


def add(name, type, encoding, stored, decoded, canonical=True, **form):
    vectors.append(
        dict(name=name, type=type, encoding=encoding, stored=stored.hex(), decoded=decoded.hex(), canonical=canonical, **form)
    )


def floats(xs):
    return struct.pack(f"<{len(xs)}f", *xs)


def doubles(xs):
    return struct.pack(f"<{len(xs)}d", *xs)


def ints(xs):
    return struct.pack(f"<{len(xs)}q", *xs)


def strings(xs):
    return b"".join(struct.pack("<I", len(x.encode())) + x.encode() for x in xs)


def both(name, type, message, decoded, canonical=True, **form):
    """A message as it is, and in a Snappy block."""
    stored = message.SerializeToString()
    add(name, type, "protobuf", stored, decoded, canonical, **form)
    # Two compressors need not find the same matches.
    add(name, type, "snappy+protobuf", snappy.compress(stored), decoded, False, **form)


EMB = [0.1, -1.5, 3.4e38, 1e-45, 0.0, -0.0, 7.0, 0.25]
INTS = [0, 1, -1, 127, 128, 2**31, -(2**63), 2**63 - 1]
STRS = ["", "a", "Zürich", "x" * 300]

both("embedding", "embedding", pb.Embedding(values=EMB), floats(EMB), dimension=8)
both("embedding of 128", "embedding", pb.Embedding(values=[i / 7 for i in range(128)]), floats([i / 7 for i in range(128)]), dimension=128)
both("embedding one by one", "embedding", unpacked.Floats(values=EMB), floats(EMB), False, dimension=8)
both("embedding with another field", "embedding", unpacked.Wider(values=EMB, model="m1"), floats(EMB), False, dimension=8)
both("float_list", "float_list", pb.FloatList(values=EMB), floats(EMB))
both("float_list, none", "float_list", pb.FloatList(), b"")
both("float_list of doubles", "float_list", pb.DoubleList(values=[0.1, 1e300]), doubles([0.1, 1e300]), bits=64)
both("int_list", "int_list", pb.IntList(values=INTS), ints(INTS))
both("int_list one by one", "int_list", unpacked.Ints(values=INTS), ints(INTS), False)
both("int_list, long", "int_list", pb.IntList(values=list(range(2000))), ints(range(2000)))
both("string_list", "string_list", pb.StringList(values=STRS), strings(STRS))
both("float", "float", pb.Float(value=0.1), b"0.1")
both("float, zero", "float", pb.Float(value=0), b"0")
both("float, minus zero", "float", pb.Float(value=-0.0), b"-0")
both("double", "float", pb.Double(value=0.1), b"0.1", bits=64)
both("double, small", "float", pb.Double(value=1e-7), b"1e-07", bits=64)
both("int", "int", pb.Int(value=-(2**63)), b"-9223372036854775808")
both("int, zero", "int", pb.Int(value=0), b"0")
both("bool", "bool", pb.Bool(value=True), b"1")
both("bool, no", "bool", pb.Bool(value=False), b"0")
both("string", "string", pb.String(value="Zürich"), "Zürich".encode())
both("string, empty", "string", pb.String(value=""), b"")
both("bytes", "bytes", pb.Bytes(value=b"\0\xff"), b"\0\xff")

add("string", "string", "snappy", snappy.compress(b"abc" * 1000), b"abc" * 1000, False)
add("embedding", "embedding", "snappy", snappy.compress(floats(EMB)), floats(EMB), False, dimension=8)
add("embedding", "embedding", "raw", floats(EMB), floats(EMB), dimension=8)
add("int_list", "int_list", "snappy", snappy.compress(ints(range(500))), ints(range(500)), False)
add("int_list of 32 bits", "int_list", "raw", struct.pack("<3i", 1, -2, 2**31 - 1), ints([1, -2, 2**31 - 1]), bits=32)
add("float", "float", "raw", floats([0.1]), b"0.1")
add("double", "float", "raw", doubles([0.1]), b"0.1", bits=64)
add("int of 32 bits", "int", "raw", struct.pack("<i", -5), b"-5", bits=32)

for x, want in [(0.1, "0.1"), (1e16, "10000000000000000"), (1e22, "1e+22"), (-2.5e-9, "-2.5e-09"), (float("nan"), "nan"), (float("-inf"), "-inf"), (123456789.0, "123456789")]:
    add("float as Python writes it", "float", "text", repr(x).encode(), want.encode(), False)
add("float with needless digits", "float", "text", b"0.1000", b"0.1", False)
add("int", "int", "text", b"-17", b"-17")
add("bool as Python writes it", "bool", "text", b"True", b"1", False)
add("embedding", "embedding", "text", json.dumps([0.5, -1, 2e-9]).encode(), floats([0.5, -1, 2e-9]), False, dimension=3)
add("int_list", "int_list", "text", json.dumps(INTS, separators=(",", ":")).encode(), ints(INTS))
add("string_list", "string_list", "text", json.dumps(STRS).encode(), strings(STRS), False)


def value(name, type, member, content, decoded, **form):
    v = feast.Value()
    field = getattr(v, member)
    if hasattr(field, "val"):
        field.SetInParent()
        field.val.extend(content)
    else:
        setattr(v, member, content)
    add("Feast " + name, type, "feast", v.SerializeToString(), decoded, **form)


value("FLOAT", "float", "float_val", 0.1, b"0.1")
value("FLOAT of zero", "float", "float_val", 0.0, b"0")
value("DOUBLE", "float", "double_val", 0.1, b"0.1", feast_type="DOUBLE")
value("INT32", "int", "int32_val", -3, b"-3", feast_type="INT32")
value("INT64", "int", "int64_val", 2**40, b"1099511627776")
value("UNIX_TIMESTAMP", "int", "unix_timestamp_val", 1767323045, b"1767323045", feast_type="UNIX_TIMESTAMP")
value("BOOL", "bool", "bool_val", False, b"0")
value("STRING", "string", "string_val", "Zürich", "Zürich".encode())
value("BYTES", "bytes", "bytes_val", b"\0\1", b"\0\1")
value("FLOAT_LIST", "embedding", "float_list_val", EMB, floats(EMB), dimension=8)
value("FLOAT_LIST", "float_list", "float_list_val", [], b"")
value("DOUBLE_LIST", "float_list", "double_list_val", [0.1, 2], doubles([0.1, 2]), feast_type="DOUBLE_LIST")
value("INT32_LIST", "int_list", "int32_list_val", [1, -2], ints([1, -2]), feast_type="INT32_LIST")
value("INT64_LIST", "int_list", "int64_list_val", INTS, ints(INTS))
value("BOOL_LIST", "int_list", "bool_list_val", [True, False], ints([1, 0]), feast_type="BOOL_LIST")
value("UNIX_TIMESTAMP_LIST", "int_list", "unix_timestamp_list_val", [1767323045], ints([1767323045]), feast_type="UNIX_TIMESTAMP_LIST")
value("STRING_LIST", "string_list", "string_list_val", STRS, strings(STRS))

json.dump(vectors, sys.stdout, indent=1, ensure_ascii=True)
print()
