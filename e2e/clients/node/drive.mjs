// Drives a Redis server with Node's libraries, as clients/README.md says.

import { readFileSync } from "node:fs";
import * as ioredis from "./ioredis.mjs";
import * as nodeRedis from "./node-redis.mjs";
import * as glide from "./valkey-glide.mjs";

const libraries = { ioredis, "node-redis": nodeRedis, "valkey-glide": glide };
const packages = { ioredis: "ioredis", "node-redis": "redis", "valkey-glide": "@valkey/valkey-glide" };

const poolSize = 4;
const script =
  "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')";

const [name, host, port, mode, protocol, file, key] = process.argv.slice(2);
const library = libraries[name];
const target = {
  host,
  port: Number(port),
  cluster: mode === "cluster",
  // 3 is the default of all three.
  protocol: protocol === "3" ? undefined : Number(protocol),
};
const reads = readFileSync(file, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => line.split("\t"))
  .map(([entity, ...fields]) => [entity, fields]);

function say(check, got) {
  if (got === undefined) return; // the library has no call for it
  console.log(JSON.stringify({ check, got }));
}

// inOrder sends the next request when the one before is answered.
async function inOrder(requests, send) {
  const answers = [];
  for (const request of requests) answers.push(await send(...request));
  return answers;
}

async function checkReads(client) {
  say("hmget", await inOrder(reads, (entity, fields) => client.hmget(entity, fields)));
  say("hget", await inOrder(reads, (entity, fields) => client.hget(entity, fields[0])));
  say("protocol", await client.clientInfo());
  say("pipeline", await client.pipeline(reads));
  const pool = await library.pool(target, poolSize);
  say(
    "pool",
    await Promise.all(
      pool.members.map((m) => inOrder(reads, (entity, fields) => m.hmget(entity, fields))),
    ),
  );
  await pool.close();
}

async function checkWrites(client) {
  const abc = ["a", "b", "c"];
  say("hset", await client.hset(key, { a: "1", b: "2" }));
  say("hmget after hset", await client.hmget(key, abc));
  say("hset again", await client.hset(key, { a: "3" }));
  say("hmget after hset again", await client.hmget(key, abc));
  say("hgetall", await client.hgetall(key));
  say("expire", Number(await client.expire(key, 1000)));
  say("multi", await client.multi(key, { c: "5" }, abc));
  say("eval", await client.eval(script, key, "9"));
  say("hmget after eval", await client.hmget(key, ["a", "b"]));
  say("pubsub", await library.receive(target, client, key, "hello"));
  say("del", await client.del(key));
  say("hmget after del", await client.hmget(key, abc));
}

async function drive() {
  const manifest = new URL(`node_modules/${packages[name]}/package.json`, import.meta.url);
  say("version", JSON.parse(readFileSync(manifest)).version);
  let client = await library.connect(target);
  await checkReads(client);
  await client.close();
  client = await library.connect(target);
  say("reconnect", await client.hmget(...reads[0]));
  if (key) await checkWrites(client);
  await client.close();
}

drive().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
