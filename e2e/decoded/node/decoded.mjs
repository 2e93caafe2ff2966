// Reads decoded values with ioredis and typed arrays: decoded.mjs HOST:PORT
import { createRequire } from "node:module";

const require = createRequire(new URL("../../clients/node/", import.meta.url));
const Redis = require("ioredis");

// A view of little-endian elements. Typed arrays have the machine's order of
// bytes, little-endian on all that Node runs on but s390x, and begin at a multiple
// of their element's size, where a reply seldom does: so the bytes are copied once.
const elements = (Type, packed) =>
  new Type(packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.length));

function strings(packed) {
  const found = [];
  for (let at = 0; at < packed.length; ) {
    const length = packed.readUInt32LE(at);
    found.push(packed.toString("utf8", at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

const [host, port] = process.argv[2].split(":");
const client = new Redis({ host, port: Number(port) });
const [eta, emb, stores, tags, open, orders] = await client.hmgetBuffer(
  "store:1", "eta", "emb", "stores", "tags", "open", "orders",
);
console.log(JSON.stringify({
  eta: Number(eta),
  emb: Array.from(elements(Float32Array, emb)),
  stores: Array.from(elements(BigInt64Array, stores), Number), // exact to 2^53
  tags: strings(tags),
  open: open.toString() === "1",
  orders: orders === null ? null : Number(orders),
}));
client.disconnect();
