// valkey-glide as drive.mjs uses it.

import {
  Batch,
  ClusterBatch,
  GlideClient,
  GlideClusterClient,
  Logger,
  ProtocolVersion,
  Script,
} from "@valkey/valkey-glide";

// It would log to standard output, among the answers.
Logger.setLoggerConfig("off");

// patience is in milliseconds: the default of 250 is for machines less busy
// than those that run tests.
const patience = 10_000;

function open({ host, port, cluster, protocol }, further = {}) {
  const options = { addresses: [{ host, port }], requestTimeout: patience, ...further };
  if (protocol) options.protocol = ProtocolVersion.RESP2;
  return (cluster ? GlideClusterClient : GlideClient).createClient(options);
}

// pairs turns glide's list of { field, value } into an object.
function pairs(list) {
  return Object.fromEntries(list.map(({ field, value }) => [field, value]));
}

export async function connect(target) {
  const client = await open(target);
  const batch = (atomic) => (target.cluster ? new ClusterBatch(atomic) : new Batch(atomic));
  return {
    raw: client,
    hmget: (key, fields) => client.hmget(key, fields),
    hget: (key, field) => client.hget(key, field),
    hset: (key, values) => client.hset(key, values),
    hgetall: async (key) => pairs(await client.hgetall(key)),
    expire: (key, seconds) => client.expire(key, seconds),
    del: (key) => client.del([key]),
    eval: (script, key, argument) =>
      client.invokeScript(new Script(script), { keys: [key], args: [argument] }),
    clientInfo: () =>
      target.cluster
        ? client.customCommand(["CLIENT", "INFO"], { route: "randomNode" })
        : client.customCommand(["CLIENT", "INFO"]),
    pipeline(reads) {
      const commands = batch(false);
      for (const [key, fields] of reads) commands.hmget(key, fields);
      return client.exec(commands, true);
    },
    multi: (key, hash, fields) =>
      client.exec(batch(true).hset(key, hash).hmget(key, fields), true),
    close: async () => client.close(),
  };
}

// pool opens several clients: each of glide's has one connection for all.
export async function pool(target, size) {
  const members = await Promise.all(Array.from({ length: size }, () => connect(target)));
  return { members, close: () => Promise.all(members.map((m) => m.close())) };
}

// receive returns undefined for RESP2, in which glide has no pub/sub.
export async function receive(target, client, channel, message) {
  if (target.protocol === 2) return undefined;
  const subscriptions = {
    pubsubSubscriptions: { channelsAndPatterns: { 0: new Set([channel]) } },
  };
  const subscriber = await open(target, subscriptions);
  await client.raw.publish(message, channel);
  const { message: text } = await subscriber.getPubSubMessage();
  subscriber.close();
  return text;
}
