// node-redis as drive.mjs uses it.

import { createClient, createClientPool, createCluster } from "redis";

function options({ host, port, protocol }) {
  const base = { url: `redis://${host}:${port}` };
  return protocol ? { ...base, RESP: protocol } : base;
}

async function open(target) {
  const { url, ...rest } = options(target);
  const client = target.cluster
    ? createCluster({ rootNodes: [{ url }], ...rest })
    : createClient({ url, ...rest });
  client.on("error", (error) => {
    console.error(`node-redis: ${error.message}`);
    process.exit(1);
  });
  return client.connect();
}

// calls are the commands that clients, clusters and pools share.
function calls(client) {
  return {
    raw: client,
    hmget: (key, fields) => client.hmGet(key, fields),
    // undefined in some versions where the store says nil
    hget: async (key, field) => (await client.hGet(key, field)) ?? null,
    hset: (key, values) => client.hSet(key, values),
    hgetall: (key) => client.hGetAll(key),
    expire: (key, seconds) => client.expire(key, seconds),
    del: (key) => client.del(key),
    eval: (script, key, argument) => client.eval(script, { keys: [key], arguments: [argument] }),
    async pipeline(reads) {
      // Requests of one turn of the event loop leave together.
      return Promise.all(reads.map(([key, fields]) => client.hmGet(key, fields)));
    },
    multi: (key, hash, fields) => client.multi().hSet(key, hash).hmGet(key, fields).exec(),
  };
}

export async function connect(target) {
  const client = await open(target);
  return {
    ...calls(client),
    clientInfo: () =>
      target.cluster
        ? client.sendCommand(undefined, true, ["CLIENT", "INFO"])
        : client.sendCommand(["CLIENT", "INFO"]),
    close: () => client.close(),
  };
}

// pool is node-redis' own; a cluster's client has none.
export async function pool(target, size) {
  if (target.cluster) {
    const client = await connect(target);
    return { members: Array(size).fill(client), close: client.close };
  }
  const shared = createClientPool(options(target), { minimum: size, maximum: size });
  await shared.connect();
  return { members: Array(size).fill(calls(shared)), close: () => shared.close() };
}

export async function receive(target, client, channel, message) {
  const subscriber = await open(target);
  let arrived;
  const received = new Promise((resolve) => (arrived = resolve));
  await subscriber.subscribe(channel, (text) => arrived(text));
  await client.raw.publish(channel, message);
  const text = await received;
  await subscriber.close();
  return text;
}
