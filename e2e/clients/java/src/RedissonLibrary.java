import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.redisson.Redisson;
import org.redisson.api.BatchOptions;
import org.redisson.api.RBatch;
import org.redisson.api.RFuture;
import org.redisson.api.RMap;
import org.redisson.api.RMapAsync;
import org.redisson.api.RScript;
import org.redisson.api.RTopic;
import org.redisson.client.codec.StringCodec;
import org.redisson.client.protocol.RedisStrictCommand;
import org.redisson.config.Config;
import org.redisson.config.Protocol;

/** Redisson, with values as plain strings and a smaller pool than it would open. */
final class RedissonLibrary implements Library {
  private static final long PATIENCE = 30; // seconds

  private final Redisson redisson;

  RedissonLibrary(Target target) {
    String address = "redis://" + target.host() + ":" + target.port();
    Config config = new Config();
    config.setCodec(StringCodec.INSTANCE);
    if (target.protocol() == 3) {
      config.setProtocol(Protocol.RESP3); // RESP2 is its default
    }
    if (target.cluster()) {
      config
          .useClusterServers()
          .addNodeAddress(address)
          .setMasterConnectionPoolSize(Target.POOL)
          .setMasterConnectionMinimumIdleSize(Target.POOL);
    } else {
      config
          .useSingleServer()
          .setAddress(address)
          .setConnectionPoolSize(Target.POOL)
          .setConnectionMinimumIdleSize(Target.POOL);
    }
    redisson = (Redisson) Redisson.create(config);
  }

  static String version() {
    return Redisson.class.getPackage().getImplementationVersion();
  }

  /** Its answers hold only the fields that are there. */
  private static List<String> values(List<String> fields, Map<String, String> answer) {
    List<String> values = new ArrayList<>();
    for (String field : fields) {
      values.add(answer.get(field));
    }
    return values;
  }

  private RMap<String, String> map(String key) {
    return redisson.getMap(key);
  }

  @Override
  public String info() throws Exception {
    RedisStrictCommand<String> command = new RedisStrictCommand<>("CLIENT", "INFO");
    RFuture<String> answer =
        redisson.getCommandExecutor().readAsync("any key", StringCodec.INSTANCE, command);
    return answer.toCompletableFuture().get(PATIENCE, TimeUnit.SECONDS);
  }

  @Override
  public List<String> hmget(String key, List<String> fields) {
    return values(fields, map(key).getAll(new LinkedHashSet<>(fields)));
  }

  @Override
  public String hget(String key, String field) {
    return map(key).get(field);
  }

  @Override
  public List<List<String>> pipeline(List<Read> reads) {
    RBatch batch = redisson.createBatch();
    for (Read read : reads) {
      RMapAsync<String, String> map = batch.getMap(read.key());
      map.getAllAsync(new LinkedHashSet<>(read.fields()));
    }
    List<?> responses = batch.execute().getResponses();
    List<List<String>> answers = new ArrayList<>();
    for (int i = 0; i < reads.size(); i++) {
      answers.add(values(reads.get(i).fields(), strings(responses.get(i))));
    }
    return answers;
  }

  @SuppressWarnings("unchecked")
  private static Map<String, String> strings(Object answer) {
    return (Map<String, String>) answer;
  }

  @Override
  public long hset(String key, Map<String, String> values) {
    long added = 0;
    for (Map.Entry<String, String> entry : values.entrySet()) {
      added += map(key).fastPut(entry.getKey(), entry.getValue()) ? 1 : 0;
    }
    return added;
  }

  @Override
  public Map<String, String> hgetall(String key) {
    return map(key).readAllMap();
  }

  @Override
  public boolean expire(String key, long seconds) {
    return map(key).expire(java.time.Duration.ofSeconds(seconds));
  }

  @Override
  public List<Object> multi(String key, Map<String, String> values, List<String> fields) {
    RBatch batch =
        redisson.createBatch(
            BatchOptions.defaults().executionMode(BatchOptions.ExecutionMode.REDIS_WRITE_ATOMIC));
    RMapAsync<String, String> map = batch.getMap(key);
    values.forEach(map::fastPutAsync);
    map.getAllAsync(Set.copyOf(fields));
    List<?> responses = batch.execute().getResponses();
    return List.of((Boolean) responses.get(0) ? 1 : 0, values(fields, strings(responses.get(1))));
  }

  @Override
  public String eval(String script, String key, String argument) {
    return redisson
        .getScript(StringCodec.INSTANCE)
        .eval(RScript.Mode.READ_WRITE, script, RScript.ReturnType.VALUE, List.of(key), argument);
  }

  @Override
  public String receive(String channel, String message) throws Exception {
    CompletableFuture<String> got = new CompletableFuture<>();
    RTopic topic = redisson.getTopic(channel);
    topic.addListener(String.class, (name, text) -> got.complete(text));
    topic.publish(message);
    String text = got.get(PATIENCE, TimeUnit.SECONDS);
    topic.removeAllListeners();
    return text;
  }

  @Override
  public long del(String key) {
    return redisson.getKeys().delete(key);
  }

  @Override
  public void close() {
    redisson.shutdown(0, 2, TimeUnit.SECONDS);
  }
}
