import io.lettuce.core.ClientOptions;
import io.lettuce.core.KeyValue;
import io.lettuce.core.LettuceFutures;
import io.lettuce.core.LettuceVersion;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.cluster.ClusterClientOptions;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.cluster.api.StatefulRedisClusterConnection;
import io.lettuce.core.cluster.api.async.RedisClusterAsyncCommands;
import io.lettuce.core.cluster.api.sync.RedisClusterCommands;
import io.lettuce.core.protocol.ProtocolVersion;
import io.lettuce.core.pubsub.RedisPubSubAdapter;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Lettuce, whose threads share one connection. */
final class LettuceLibrary implements Library {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private RedisClient single;
  private StatefulRedisConnection<String, String> connection;
  private RedisClusterClient cluster;
  private final RedisClusterCommands<String, String> sync;
  private final RedisClusterAsyncCommands<String, String> async;

  LettuceLibrary(Target target) {
    RedisURI uri = RedisURI.create(target.host(), target.port());
    // RESP3 is its default.
    boolean older = target.protocol() == 2;
    if (target.cluster()) {
      cluster = RedisClusterClient.create(uri);
      if (older) {
        cluster.setOptions(ClusterClientOptions.builder().protocolVersion(ProtocolVersion.RESP2).build());
      }
      StatefulRedisClusterConnection<String, String> all = cluster.connect();
      sync = all.sync();
      async = all.async();
    } else {
      single = RedisClient.create(uri);
      if (older) {
        single.setOptions(ClientOptions.builder().protocolVersion(ProtocolVersion.RESP2).build());
      }
      connection = single.connect();
      sync = connection.sync();
      async = connection.async();
    }
  }

  static String version() {
    return LettuceVersion.getVersion().split("/")[0]; // a commit follows
  }

  private static List<String> values(List<KeyValue<String, String>> pairs) {
    List<String> values = new ArrayList<>();
    for (KeyValue<String, String> pair : pairs) {
      values.add(pair.getValueOrElse(null));
    }
    return values;
  }

  @Override
  public String info() {
    return sync.clientInfo();
  }

  @Override
  public List<String> hmget(String key, List<String> fields) {
    return values(sync.hmget(key, fields.toArray(new String[0])));
  }

  @Override
  public String hget(String key, String field) {
    return sync.hget(key, field);
  }

  @Override
  public List<List<String>> pipeline(List<Read> reads) throws Exception {
    List<RedisFuture<List<KeyValue<String, String>>>> futures = new ArrayList<>();
    for (Read read : reads) {
      futures.add(async.hmget(read.key(), read.fields().toArray(new String[0])));
    }
    LettuceFutures.awaitAll(PATIENCE, futures.toArray(new RedisFuture[0]));
    List<List<String>> answers = new ArrayList<>();
    for (RedisFuture<List<KeyValue<String, String>>> future : futures) {
      answers.add(values(future.get()));
    }
    return answers;
  }

  @Override
  public long hset(String key, Map<String, String> values) {
    return sync.hset(key, values);
  }

  @Override
  public Map<String, String> hgetall(String key) {
    return sync.hgetall(key);
  }

  @Override
  public boolean expire(String key, long seconds) {
    return sync.expire(key, seconds);
  }

  @Override
  @SuppressWarnings("unchecked")
  public List<Object> multi(String key, Map<String, String> values, List<String> fields) {
    if (connection == null) {
      return null;
    }
    RedisCommands<String, String> commands = connection.sync();
    commands.multi();
    commands.hset(key, values);
    commands.hmget(key, fields.toArray(new String[0]));
    TransactionResult result = commands.exec();
    return List.of(result.get(0), values((List<KeyValue<String, String>>) result.get(1)));
  }

  @Override
  public String eval(String script, String key, String argument) {
    return sync.eval(script, ScriptOutputType.VALUE, new String[] {key}, argument);
  }

  @Override
  public String receive(String channel, String message) throws Exception {
    CompletableFuture<String> got = new CompletableFuture<>();
    try (StatefulRedisPubSubConnection<String, String> subscriber =
        cluster != null ? cluster.connectPubSub() : single.connectPubSub()) {
      subscriber.addListener(
          new RedisPubSubAdapter<>() {
            @Override
            public void message(String channel, String text) {
              got.complete(text);
            }
          });
      subscriber.sync().subscribe(channel);
      sync.publish(channel, message);
      return got.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }
  }

  @Override
  public long del(String key) {
    return sync.del(key);
  }

  @Override
  public void close() {
    (cluster != null ? cluster : single).shutdown(Duration.ZERO, Duration.ofSeconds(2));
  }
}
