// Drives a Redis server with ioredis' default settings.
//
// Usage: node drive.mjs HOST PORT KEY. Prints what each step answered as one
// JSON object and the library's version beside it; the test knows what to
// expect.

import { readFileSync } from "node:fs";
import { Redis } from "ioredis";

const [host, port, key] = process.argv.slice(2);
const { version } = JSON.parse(
  readFileSync(new URL("node_modules/ioredis/package.json", import.meta.url)),
);

// values takes the answers out of [error, answer] pairs.
function values(pairs) {
  return pairs.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

async function drive(client) {
  const steps = {};
  steps["ping"] = (await client.ping()) === "PONG";
  steps["hset"] = await client.hset(key, { a: "1", b: "2" });
  steps["hmget"] = await client.hmget(key, "a", "b", "c");
  steps["hmget again"] = await client.hmget(key, "a", "b", "c");
  steps["hset again"] = await client.hset(key, "a", "3");
  steps["hmget after hset"] = await client.hmget(key, "a", "b", "c");
  steps["hget"] = await client.hget(key, "a");
  steps["hgetall"] = await client.hgetall(key);
  steps["expire"] = await client.expire(key, 1000);
  const ttl = await client.ttl(key);
  steps["ttl is set"] = 0 < ttl && ttl <= 1000;

  steps["multi"] = values(
    await client.multi().hset(key, "c", "5").hmget(key, "a", "b", "c").exec(),
  );
  steps["pipeline"] = values(
    await client
      .pipeline()
      .hset(key, "d", "7")
      .hmget(key, "d", "a")
      .hget(key, "d")
      .hdel(key, "d")
      .hmget(key, "d", "a")
      .exec(),
  );

  steps["del"] = await client.del(key);
  steps["hmget after del"] = await client.hmget(key, "a", "b", "c");
  return steps;
}

const client = new Redis({ host, port: Number(port) });
// A connection error would otherwise be retried without end.
client.on("error", (error) => {
  console.error(`ioredis: ${error.message}`);
  process.exit(1);
});
const steps = await drive(client);
await client.quit();
console.log(JSON.stringify({ version, steps }));
