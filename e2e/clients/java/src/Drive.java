import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/** Drives a Redis server with Java's libraries, as clients/README.md says. */
public final class Drive {
  private static final String SCRIPT =
      "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')";
  private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();
  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

  private final List<Read> reads;
  private Library client;

  private Drive(List<Read> reads) {
    this.reads = reads;
  }

  public static void main(String[] args) throws Exception {
    Target target =
        new Target(args[1], Integer.parseInt(args[2]), args[3].equals("cluster"), Integer.parseInt(args[4]));
    String version =
        switch (args[0]) {
          case "Jedis" -> JedisLibrary.version();
          case "Lettuce" -> LettuceLibrary.version();
          case "Redisson" -> RedissonLibrary.version();
          default -> throw new IllegalArgumentException("no such client: " + args[0]);
        };
    Function<Target, Library> connect =
        switch (args[0]) {
          case "Jedis" -> JedisLibrary::new;
          case "Lettuce" -> LettuceLibrary::new;
          default -> RedissonLibrary::new;
        };
    say("version", version);
    Drive drive = new Drive(Files.readAllLines(Path.of(args[5])).stream().map(Read::of).toList());
    try {
      drive.client = connect.apply(target);
      drive.checkReads();
      drive.client.close();
      drive.client = connect.apply(target);
      say("reconnect", drive.client.hmget(drive.reads.get(0).key(), drive.reads.get(0).fields()));
      if (args.length > 6) {
        drive.checkWrites(args[6]);
      }
      drive.client.close();
    } catch (Exception e) {
      e.printStackTrace();
      System.exit(1);
    }
    System.exit(0); // whatever threads a library left
  }

  private static void say(String check, Object got) {
    if (got == null) {
      return; // the library has no call for it
    }
    Map<String, Object> line = new java.util.LinkedHashMap<>();
    line.put("check", check);
    line.put("got", got);
    OUT.println(GSON.toJson(line));
  }

  private List<List<String>> readAll() throws Exception {
    List<List<String>> answers = new ArrayList<>();
    for (Read read : reads) {
      answers.add(client.hmget(read.key(), read.fields()));
    }
    return answers;
  }

  private void checkReads() throws Exception {
    say("hmget", readAll());
    List<String> hgets = new ArrayList<>();
    for (Read read : reads) {
      hgets.add(client.hget(read.key(), read.fields().get(0)));
    }
    say("hget", hgets);
    say("protocol", client.info());
    say("pipeline", client.pipeline(reads));
    say("pool", pooled());
  }

  private List<List<List<String>>> pooled() throws Exception {
    ExecutorService users = Executors.newFixedThreadPool(Target.POOL);
    List<Callable<List<List<String>>>> tasks = new ArrayList<>();
    for (int i = 0; i < Target.POOL; i++) {
      tasks.add(this::readAll);
    }
    List<List<List<String>>> answers = new ArrayList<>();
    for (Future<List<List<String>>> answer : users.invokeAll(tasks)) {
      answers.add(answer.get());
    }
    users.shutdown();
    return answers;
  }

  private void checkWrites(String key) throws Exception {
    List<String> abc = List.of("a", "b", "c");
    say("hset", client.hset(key, Map.of("a", "1", "b", "2")));
    say("hmget after hset", client.hmget(key, abc));
    say("hset again", client.hset(key, Map.of("a", "3")));
    say("hmget after hset again", client.hmget(key, abc));
    say("hgetall", client.hgetall(key));
    say("expire", client.expire(key, 1000) ? 1 : 0);
    say("multi", client.multi(key, Map.of("c", "5"), abc));
    say("eval", client.eval(SCRIPT, key, "9"));
    say("hmget after eval", client.hmget(key, List.of("a", "b")));
    say("pubsub", client.receive(key, "hello"));
    say("del", client.del(key));
    say("hmget after del", client.hmget(key, abc));
  }
}
