import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.commons.pool2.impl.GenericObjectPoolConfig;
import redis.clients.jedis.AbstractPipeline;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.Connection;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.JedisClientConfig;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Protocol;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisClusterClient;
import redis.clients.jedis.Response;
import redis.clients.jedis.UnifiedJedis;

/** Jedis. */
final class JedisLibrary implements Library {
  private final UnifiedJedis jedis;
  private final boolean cluster;

  JedisLibrary(Target target) {
    // RESP3 is its default.
    DefaultJedisClientConfig.Builder options = DefaultJedisClientConfig.builder();
    JedisClientConfig config = (target.protocol() == 2 ? options.resp2() : options).build();
    HostAndPort address = new HostAndPort(target.host(), target.port());
    GenericObjectPoolConfig<Connection> pool = new GenericObjectPoolConfig<>();
    pool.setMaxTotal(Target.POOL);
    cluster = target.cluster();
    jedis =
        cluster
            ? RedisClusterClient.builder().nodes(Set.of(address)).clientConfig(config).poolConfig(pool).build()
            : RedisClient.builder().hostAndPort(address).clientConfig(config).poolConfig(pool).build();
  }

  static String version() {
    // Of the bundle, as the class that knows it is not public.
    try (var manifest =
        new java.net.URL(
                "jar:" + UnifiedJedis.class.getProtectionDomain().getCodeSource().getLocation() + "!/META-INF/MANIFEST.MF")
            .openStream()) {
      return new java.util.jar.Manifest(manifest).getMainAttributes().getValue("Bundle-Version");
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Override
  public String info() {
    Object answer =
        cluster
            ? jedis.sendCommand("any key", Protocol.Command.CLIENT, "INFO")
            : jedis.sendCommand(Protocol.Command.CLIENT, "INFO");
    return new String((byte[]) answer);
  }

  @Override
  public List<String> hmget(String key, List<String> fields) {
    return jedis.hmget(key, fields.toArray(new String[0]));
  }

  @Override
  public String hget(String key, String field) {
    return jedis.hget(key, field);
  }

  @Override
  public List<List<String>> pipeline(List<Read> reads) {
    List<Response<List<String>>> responses = new ArrayList<>();
    try (AbstractPipeline pipe = jedis.pipelined()) {
      for (Read read : reads) {
        responses.add(pipe.hmget(read.key(), read.fields().toArray(new String[0])));
      }
      pipe.sync();
    }
    return responses.stream().map(Response::get).toList();
  }

  @Override
  public long hset(String key, Map<String, String> values) {
    return jedis.hset(key, values);
  }

  @Override
  public Map<String, String> hgetall(String key) {
    return jedis.hgetAll(key);
  }

  @Override
  public boolean expire(String key, long seconds) {
    return jedis.expire(key, seconds) == 1;
  }

  @Override
  public List<Object> multi(String key, Map<String, String> values, List<String> fields) {
    try (AbstractTransaction transaction = jedis.multi()) {
      transaction.hset(key, values);
      transaction.hmget(key, fields.toArray(new String[0]));
      return transaction.exec();
    } catch (UnsupportedOperationException e) {
      return null; // a cluster's client has none
    }
  }

  @Override
  public String eval(String script, String key, String argument) {
    return (String) jedis.eval(script, List.of(key), List.of(argument));
  }

  @Override
  public String receive(String channel, String message) throws InterruptedException {
    CountDownLatch subscribed = new CountDownLatch(1);
    String[] got = new String[1];
    JedisPubSub subscription =
        new JedisPubSub() {
          @Override
          public void onSubscribe(String channel, int count) {
            subscribed.countDown();
          }

          @Override
          public void onMessage(String channel, String text) {
            got[0] = text;
            unsubscribe();
          }
        };
    Thread subscriber = new Thread(() -> jedis.subscribe(subscription, channel));
    subscriber.start();
    subscribed.await();
    jedis.publish(channel, message);
    subscriber.join();
    return got[0];
  }

  @Override
  public long del(String key) {
    return jedis.del(key);
  }

  @Override
  public void close() {
    jedis.close();
  }
}
