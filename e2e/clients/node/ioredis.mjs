// ioredis as drive.mjs uses it.

import { Cluster, Redis } from "ioredis";

// open makes a client; an error of its connection ends the program, since
// ioredis would try again without end.
function open({ host, port, cluster, protocol }) {
  const options = protocol ? { protocol } : {};
  const client = cluster
    ? new Cluster([{ host, port }], protocol ? { redisOptions: options } : {})
    : new Redis({ host, port, ...options });
  client.on("error", (error) => {
    console.error(`ioredis: ${error.message}`);
    process.exit(1);
  });
  return client;
}

// values takes the answers out of [error, answer] pairs.
function values(pairs) {
  return pairs.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

export async function connect(target) {
  const client = open(target);
  return {
    raw: client,
    hmget: (key, fields) => client.hmget(key, ...fields),
    hget: (key, field) => client.hget(key, field),
    hset: (key, values) => client.hset(key, values),
    hgetall: (key) => client.hgetall(key),
    expire: (key, seconds) => client.expire(key, seconds),
    del: (key) => client.del(key),
    eval: (script, key, argument) => client.eval(script, 1, key, argument),
    clientInfo: () => client.client("INFO"),
    async pipeline(reads) {
      const pipe = client.pipeline();
      for (const [key, fields] of reads) pipe.hmget(key, ...fields);
      return values(await pipe.exec());
    },
    multi: async (key, hash, fields) =>
      values(await client.multi().hset(key, hash).hmget(key, ...fields).exec()),
    close: () => client.quit(),
  };
}

// pool opens several clients: ioredis has no pool of its own.
export async function pool(target, size) {
  const members = await Promise.all(Array.from({ length: size }, () => connect(target)));
  return { members, close: () => Promise.all(members.map((m) => m.close())) };
}

export async function receive(target, client, channel, message) {
  const subscriber = open(target);
  await subscriber.subscribe(channel);
  const received = new Promise((resolve) => subscriber.on("message", (_, text) => resolve(text)));
  await client.raw.publish(channel, message);
  const text = await received;
  await subscriber.quit();
  return text;
}
